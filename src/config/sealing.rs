//! Sealing keys: what opens the sealed values of a domain lies outside its database.

use std::{collections::BTreeMap, path::Path};

use actor_runtime::seal::{KeyRing, KeySource};

use super::{Domain, Groups, Profile, keys::Key, reader::Reader};

pub(super) const KEYS: &[Key] = &[
    file_key("cycles.sealing_key_file"),
    text_key("cycles.sealing_keys"),
    command_key("cycles.sealing_key_command"),
    file_key("users.sealing_key_file"),
    text_key("users.sealing_keys"),
    command_key("users.sealing_key_command"),
];

/// The keys whose whole value is a secret, and not a password within it.
pub(super) const SECRETS: [&str; 2] = ["cycles.sealing_keys", "users.sealing_keys"];

const fn file_key(name: &'static str) -> Key {
    Key {
        name,
        default: None,
        flag: None,
        alias: None,
        secret: false,
        about: "file of the keys that this domain's sealed values are opened with, one a line, 32 bytes \
                in base64 each; the first one seals. For this group alone; generated in the data \
                directory in the development profile",
    }
}

const fn text_key(name: &'static str) -> Key {
    Key {
        name,
        default: None,
        flag: None,
        alias: None,
        secret: true,
        about: "the same keys themselves, with commas between, instead of a file",
    }
}

const fn command_key(name: &'static str) -> Key {
    Key {
        name,
        default: None,
        flag: None,
        alias: None,
        secret: false,
        about: "a command of the shell that writes the same keys to its standard output (for a key \
                management service), instead of a file; run once, at the start",
    }
}

/// Where the sealing keys of the domains come from.
pub(crate) struct Sealing {
    given: BTreeMap<Domain, Vec<(&'static str, KeySource)>>,
}

impl Sealing {
    /// The domains that seal.
    pub(crate) const DOMAINS: [Domain; 2] = [Domain::Users, Domain::Cycles];

    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut read = |domain| {
            let [file, text, command] = names(domain);
            let mut sources = Vec::new();
            let path = reader.optional_text(file);
            sources.extend(path.map(|path| (file, KeySource::File(path.into()))));
            let keys = reader.optional_text(text);
            sources.extend(keys.map(|keys| (text, KeySource::Given(keys.into()))));
            let line = reader.optional_text(command);
            sources.extend(line.map(|line| (command, KeySource::Command(line))));
            (domain, sources)
        };
        Self { given: Self::DOMAINS.into_iter().map(&mut read).collect() }
    }

    pub(super) fn validate(
        &self,
        reader: &mut Reader,
        profile: Profile,
        groups: &Groups,
        data_dir: &Path,
    ) {
        for (domain, sources) in &self.given {
            let [file, ..] = names(*domain);
            if !groups.has_domain(*domain) {
                // Who has them can read what nobody else can: the fewer processes, the better.
                for (name, _) in sources {
                    let only = format!("belongs to the {domain} group alone; leave it out here");
                    reader.problem(name, only);
                }
                continue;
            }
            if let [(_, _), (other, _), ..] = sources.as_slice() {
                reader.problem(other, "is one of two sources of the same keys; keep one of them");
            }
            for (name, source) in sources {
                check(reader, name, source, profile, data_dir);
            }
            if profile == Profile::Production {
                reader.require(
                    !sources.is_empty(),
                    file,
                    format!(
                        "must be set in the production profile; make one with \
                         `openssl rand -base64 32 >sealing-keys-{domain} && \
                         chmod 600 sealing-keys-{domain}`"
                    ),
                );
            }
        }
    }

    /// Where a domain's keys come from: as given, or the generated file in the data directory.
    pub(crate) fn source(&self, domain: Domain, data_dir: &Path) -> KeySource {
        self.given(domain).map_or_else(
            || KeySource::File(generated(domain, data_dir)),
            |(_, source)| source.clone(),
        )
    }

    /// The variable by which a process of the domain is told where its keys come from, and its value.
    pub(crate) fn variable(&self, domain: Domain, data_dir: &Path) -> (&'static str, KeySource) {
        let [file, ..] = names(domain);
        let name = self.given(domain).map_or(file, |(name, _)| name);
        (name, self.source(domain, data_dir))
    }

    /// The names of a domain's keys of the configuration.
    pub(crate) const fn names(domain: Domain) -> [&'static str; 3] {
        names(domain)
    }

    /// Whether a domain's keys are made here if they are missing.
    pub(crate) fn is_generated(&self, domain: Domain) -> bool {
        self.given(domain).is_none()
    }

    fn given(&self, domain: Domain) -> Option<&(&'static str, KeySource)> {
        self.given.get(&domain).and_then(|sources| sources.first())
    }
}

const fn names(domain: Domain) -> [&'static str; 3] {
    match domain {
        Domain::Users => {
            ["users.sealing_key_file", "users.sealing_keys", "users.sealing_key_command"]
        }
        _ => ["cycles.sealing_key_file", "cycles.sealing_keys", "cycles.sealing_key_command"],
    }
}

fn generated(domain: Domain, data_dir: &Path) -> std::path::PathBuf {
    data_dir.join(format!("sealing-keys-{domain}"))
}

/// What can be told before anything is started. A command is not run for that.
fn check(
    reader: &mut Reader,
    name: &'static str,
    source: &KeySource,
    profile: Profile,
    data_dir: &Path,
) {
    if let KeySource::Command(_) = source {
        return;
    }
    if let Err(error) = KeyRing::load(source.clone()) {
        reader.problem(name, error.to_string());
    }
    if let (KeySource::File(path), Profile::Production) = (source, profile) {
        let absolute = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        reader.require(
            !absolute(path).starts_with(absolute(data_dir)),
            name,
            "lies in the data directory, beside what it is to protect: one copy of that would have \
             both",
        );
    }
}
