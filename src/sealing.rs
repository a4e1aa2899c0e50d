//! The sealing keys of the domains in this process: made in the development profile, read, and held
//! against what the databases need.

use std::{collections::BTreeMap, fs::File, io::Write, path::Path};

use actor_runtime::seal::{KeyId, KeyRing, KeySource, create_key_file, fresh_key};
use anyhow::{Context as _, Result, bail};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, PgConnection};
use tokio::task::spawn_blocking;

use crate::{
    cli::{SealingArgs, SealingCommand},
    config::{self, Config, Domain, Profile, Sealing},
    embedded, migrate,
    output::counted,
    private_file, sql,
    table::Table,
};

/// The keys of each domain that seals.
pub(crate) type Rings = BTreeMap<Domain, KeyRing>;

/// Makes the keys of these domains that are to be made here, if they are missing.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn generate(config: &Config) -> Result<()> {
    for domain in sealing_domains(config) {
        let generated =
            config.sealing.is_generated(domain) && config.profile == Profile::Development;
        if let (true, KeySource::File(path)) = (generated, source(config, domain)) {
            create_key_file(&path)?;
        }
    }
    Ok(())
}

/// For each domain that seals, the variable by which its processes are told where its keys come
/// from.
pub(crate) fn grants(config: &Config) -> BTreeMap<Domain, (String, SecretString)> {
    let grant = |domain| {
        let (name, source) = config.sealing.variable(domain, &config.storage.data_dir);
        let value = match source {
            KeySource::File(path) => path.display().to_string().into(),
            KeySource::Given(text) => text,
            KeySource::Command(line) => line.into(),
        };
        Some((domain, (config::keys::find(name)?.variable(), value)))
    };
    sealing_domains(config).filter_map(grant).collect()
}

/// Whether a file of keys lies in the data directory.
pub(crate) fn is_kept_here(config: &Config) -> bool {
    sealing_domains(config).any(|domain| config.sealing.is_generated(domain))
}

/// Reads the keys of the domains in this process.
///
/// # Errors
/// They cannot be read, or are none.
pub(crate) async fn open(config: &Config) -> Result<Rings> {
    let sources: Vec<(Domain, KeySource)> =
        sealing_domains(config).map(|domain| (domain, source(config, domain))).collect();
    // A command may take its time.
    let rings = spawn_blocking(move || {
        let load = |(domain, source)| {
            let ring = KeyRing::load(source);
            Ok((domain, ring.with_context(|| format!("the sealing keys of {domain}"))?))
        };
        sources.into_iter().map(load).collect()
    });
    rings.await?
}

/// Refuses a start with which values could not be opened, or with which other processes could not
/// open what this one seals.
///
/// # Errors
/// A database needs a key that is not among those given, or cannot be asked.
pub(crate) async fn check(
    config: &Config,
    rings: &Rings,
    databases: &BTreeMap<Domain, SecretString>,
) -> Result<()> {
    for (domain, ring) in rings {
        let Some(url) = databases.get(domain) else { continue };
        let mut connection = migrate::connect(url).await.map_err(|e| migrate::described(&e))?;
        let needed = needed(*domain, &mut connection).await;
        let needed = needed.map_err(|error| migrate::described(&error));
        let missing = missing(ring, &needed.with_context(|| format!("the database of {domain}"))?);
        if let Some(missing) = missing {
            let (name, _) = config.sealing.variable(*domain, &config.storage.data_dir);
            bail!(
                "the database of {domain} holds what is sealed under the key {missing}, which is \
                 not among those of {name} ({}); give it too, after the one that is to seal",
                described(ring.source())
            );
        }
        connection.close().await.map_err(|error| migrate::described(&error))?;
    }
    Ok(())
}

/// What is known of the sealing keys of one domain.
pub(crate) struct State {
    /// Each key, with its stage and how many data keys are wrapped under it, if that could be asked.
    keys: Vec<(KeyId, &'static str, Option<i64>)>,
    /// How many values stand in clear, if that could be asked.
    pub(crate) in_clear: Option<i64>,
}

impl State {
    /// The ids of keys that are needed and not there.
    pub(crate) fn missing(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.keys.iter().filter(|(_, stage, _)| *stage == MISSING).map(|(id, ..)| *id)
    }

    /// The key that seals.
    pub(crate) fn current(&self) -> Option<KeyId> {
        self.keys.first().map(|(id, ..)| *id)
    }
}

const MISSING: &str = "missing";

/// How it stands with the sealing keys of a domain.
///
/// # Errors
/// The keys cannot be read, or the database fails.
pub(crate) async fn state(
    ring: &KeyRing,
    domain: Domain,
    database: Option<&SecretString>,
) -> Result<State> {
    let (mut uses, mut in_clear) = (None, None);
    if let Some(url) = database {
        let asked = async {
            let mut connection = migrate::connect(url).await?;
            let uses = match domain {
                Domain::Cycles => {
                    let (uses, count) = cycles::sealing_state(&mut connection).await?;
                    in_clear = Some(count);
                    uses.into_iter().map(|it| (it.key, it.data_keys)).collect()
                }
                _ => needed(domain, &mut connection).await?.into_iter().map(|id| (id, 1)).collect(),
            };
            connection.close().await?;
            sqlx::Result::<Vec<(KeyId, i64)>>::Ok(uses)
        };
        uses = Some(asked.await.map_err(|error| migrate::described(&error))?);
    }
    let ids = ring.ids();
    let count = |id: &KeyId| {
        let uses = uses.as_ref()?;
        Some(uses.iter().find(|(used, _)| used == id).map_or(0, |(_, count)| *count))
    };
    let known = ids.iter().enumerate().map(|(index, id)| {
        let stage = if index == 0 { "seals" } else { "opens" };
        (*id, stage, count(id))
    });
    let unknown = uses.iter().flatten().filter(|(id, _)| !ids.contains(id));
    let unknown = unknown.map(|(id, count)| (*id, MISSING, Some(*count)));
    Ok(State { keys: known.chain(unknown).collect(), in_clear })
}

/// Does what the command says.
///
/// # Errors
/// The keys cannot be read or written.
pub(crate) async fn run(
    config: &Config,
    command: &SealingCommand,
    out: &mut impl Write,
) -> Result<()> {
    match command {
        SealingCommand::Status(arguments) => status(config, arguments, out).await,
        SealingCommand::RotateKek(arguments) => {
            for domain in arguments.domains(config) {
                let KeySource::File(path) = source(config, domain) else {
                    bail!(
                        "the sealing keys of {domain} do not come from a file: put a new one before \
                         the others where they come from, and start the processes again"
                    );
                };
                rotate(&path).with_context(|| format!("the sealing keys of {domain}"))?;
            }
            status(config, arguments, out).await
        }
    }
}

async fn status(config: &Config, arguments: &SealingArgs, out: &mut impl Write) -> Result<()> {
    let mut table = Table::new(&["DOMAIN", "KEY", "STAGE", "#DATA KEYS", "FROM"]);
    let (mut clear, mut unasked) = (Vec::new(), Vec::new());
    for domain in arguments.domains(config) {
        let ring = KeyRing::load(source(config, domain))
            .with_context(|| format!("the sealing keys of {domain}"))?;
        let url = match config.databases.urls.get(&domain) {
            Some(url) => Some(url.clone()),
            None => embedded::database_url_if_running(&config.storage.data_dir, domain),
        };
        let state = match state(&ring, domain, url.as_ref()).await {
            Ok(state) => state,
            Err(error) => {
                unasked.push(format!("the database of {domain} cannot be asked: {error:#}"));
                state(&ring, domain, None).await?
            }
        };
        clear.extend(state.in_clear.filter(|count| *count > 0));
        for (id, stage, count) in &state.keys {
            let count = count.map_or_else(|| "?".to_owned(), |count| count.to_string());
            let from = if *stage == MISSING { "-".to_owned() } else { described(ring.source()) };
            let cells = [domain.to_string(), id.to_string(), (*stage).to_owned(), count, from];
            table.row(cells);
        }
    }
    table.print(out)?;
    for count in clear {
        let count = counted(count, "symptom");
        writeln!(out, "\n{count} in clear: what is in clear is sealed while the service runs")?;
    }
    for why in unasked {
        writeln!(out, "\n{why}")?;
    }
    Ok(())
}

/// Puts a fresh key before the others.
fn rotate(path: &Path) -> Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Two at once would each put its key into what it had read, and one of them would be lost.
    let directory = File::open(directory)?;
    directory.lock()?;
    let source = KeySource::File(path.to_owned());
    // What cannot be read as keys is not written to.
    KeyRing::load(source)?;
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path)?);
    let anew = SecretString::from(format!("{}\n{}", *fresh_key(), *text));
    // What the next start would refuse is not written either.
    KeyRing::load(KeySource::Given(anew.clone()))
        .context("take those out of it first that nothing is wrapped under (`keys status`)")?;
    private_file::renew(path, anew.expose_secret())
}

/// Under which keys something is sealed in a domain's database.
async fn needed(domain: Domain, connection: &mut PgConnection) -> sqlx::Result<Vec<KeyId>> {
    if domain == Domain::Cycles {
        return cycles::keys_needed(connection).await;
    }
    let list = "SELECT coalesce(string_agg(encode(substring(wrapped FROM 2 FOR 8), 'hex'), ','), '') \
                FROM data_key";
    let ids = sql::text(connection, list).await?;
    Ok(ids.split(',').filter_map(KeyId::parse).collect())
}

fn missing(ring: &KeyRing, needed: &[KeyId]) -> Option<KeyId> {
    let ids = ring.ids();
    needed.iter().find(|id| !ids.contains(id)).copied()
}

fn sealing_domains(config: &Config) -> impl Iterator<Item = Domain> + '_ {
    Sealing::DOMAINS.into_iter().filter(|domain| config.groups.has_domain(*domain))
}

fn source(config: &Config, domain: Domain) -> KeySource {
    config.sealing.source(domain, &config.storage.data_dir)
}

/// Where keys come from, as it may be shown.
pub(crate) fn described(source: &KeySource) -> String {
    match source {
        KeySource::File(path) => path.display().to_string(),
        KeySource::Given(_) => "the configuration".to_owned(),
        KeySource::Command(_) => "a command".to_owned(),
    }
}

impl SealingArgs {
    /// The domains that are meant: those of the configuration's groups, or one of them.
    fn domains(&self, config: &Config) -> Vec<Domain> {
        let meant = |domain: &Domain| self.of.as_deref().is_none_or(|name| name == domain.name());
        sealing_domains(config).filter(meant).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_rotation_leaves_a_file_that_can_be_read_by_whoever_could() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        create_key_file(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = (0..100).find_map(|_| rotate(&path).err()).expect("keys without end");
        assert!(format!("{refused:#}").contains("`keys status`"), "{refused:#}");
        let ring = KeyRing::load(KeySource::File(path.clone())).unwrap();
        assert!(ring.ids().len() > 2);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
