//! Where state lives: the data directory, the databases, the bus.

use std::{collections::BTreeMap, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::{Domain, Groups, Sources, keys::Key, reader::Reader};

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "data_dir",
        default: None,
        flag: Some("--data-dir"),
        alias: None,
        secret: false,
        about: "directory of the embedded Postgres and of generated secrets; by default \
                `~/.local/share/lunation` (macOS: `~/Library/Application Support/lunation`; root: \
                `/var/lib/lunation`)",
    },
    Key {
        name: "postgres.bin_dir",
        default: None,
        flag: None,
        alias: Some("PG_BIN"),
        secret: false,
        about: "directory of Postgres' programs for the embedded database; found by itself when not set",
    },
    url_key("users.database_url", "USERS_DATABASE_URL"),
    url_key("cycles.database_url", "CYCLES_DATABASE_URL"),
    url_key("analytics.database_url", "ANALYTICS_DATABASE_URL"),
    url_key("notifications.database_url", "NOTIFICATIONS_DATABASE_URL"),
    Key {
        name: "database_pool_max",
        default: Some("16"),
        flag: None,
        alias: None,
        secret: false,
        about: "most connections to each database",
    },
    Key {
        name: "nats_url",
        default: None,
        flag: Some("--nats"),
        alias: Some("NATS_URL"),
        secret: true,
        about: "a NATS server with JetStream, such as `nats://127.0.0.1:4222`; without one the bus is in memory",
    },
];

const fn url_key(name: &'static str, alias: &'static str) -> Key {
    Key {
        name,
        default: None,
        flag: None,
        alias: Some(alias),
        secret: true,
        about: "a Postgres database of one's own for this domain; the embedded one when not set",
    }
}

/// Where the embedded defaults keep their data.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    /// The data directory.
    pub(crate) data_dir: PathBuf,
    /// Where to look for Postgres' programs.
    pub(crate) programs: PostgresPrograms,
}

/// Where to look for Postgres' programs, and what they need to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct PostgresPrograms {
    /// The directory, where it is named.
    pub(crate) bin_dir: Option<PathBuf>,
    /// The directories of the PATH.
    pub(crate) search_path: Vec<PathBuf>,
    /// Variables by which a private build of Postgres finds its libraries.
    pub(crate) library_variables: Vec<(&'static str, String)>,
}

impl PostgresPrograms {
    fn read(reader: &mut Reader, sources: &Sources) -> Self {
        let variable = |name: &'static str| Some((name, sources.environment.get(name)?.clone()));
        let path = sources.environment.get("PATH").map(String::as_str).unwrap_or_default();
        Self {
            bin_dir: reader.optional_text("postgres.bin_dir").map(PathBuf::from),
            search_path: std::env::split_paths(path).collect(),
            library_variables: ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"]
                .into_iter()
                .filter_map(variable)
                .collect(),
        }
    }
}

impl Storage {
    pub(super) fn read(reader: &mut Reader, sources: &Sources) -> Self {
        let given = reader.optional_text("data_dir").map(PathBuf::from);
        let data_dir = given.or_else(|| default_data_dir(sources)).unwrap_or_else(|| {
            reader.problem("data_dir", "is not set, and neither is HOME; name one with --data-dir");
            PathBuf::new()
        });
        reader.show("data_dir", &data_dir.display().to_string());
        Self { data_dir, programs: PostgresPrograms::read(reader, sources) }
    }
}

/// The place that the platform has for data of a program. Root's home cannot be entered by the
/// user that Postgres runs as, so root's data is where a system service keeps it.
fn default_data_dir(sources: &Sources) -> Option<PathBuf> {
    if sources.root {
        return Some(PathBuf::from("/var/lib/lunation"));
    }
    let variable = |name: &str| {
        sources.environment.get(name).filter(|value| value.starts_with('/')).map(PathBuf::from)
    };
    if cfg!(target_os = "macos") {
        return Some(variable("HOME")?.join("Library/Application Support/lunation"));
    }
    variable("XDG_DATA_HOME")
        .or_else(|| Some(variable("HOME")?.join(".local/share")))
        .map(|data| data.join("lunation"))
}

/// The databases that are not embedded, and the size of every pool.
pub(crate) struct Databases {
    /// Addresses of databases of one's own; a domain without one gets an embedded one.
    pub(crate) urls: BTreeMap<Domain, SecretString>,
    /// Most connections per pool.
    pub(crate) pool_max: u32,
}

impl Databases {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let urls = Domain::ALL
            .into_iter()
            .filter_map(|domain| Some((domain, reader.optional_text(url_name(domain))?.into())))
            .collect();
        Self { urls, pool_max: reader.number("database_pool_max") }
    }

    pub(super) fn validate(&self, reader: &mut Reader, groups: &Groups) {
        for (domain, url) in &self.urls {
            let url = url.expose_secret();
            // The parser's message may quote the URL, so it is not shown.
            let parsed = url.parse::<sqlx::postgres::PgConnectOptions>();
            reader.require(
                parsed.is_ok() && url.starts_with("postgres"),
                url_name(*domain),
                "is no Postgres URL; write it as postgres://user:password@host:5432/database",
            );
        }
        reader.require(
            (2..=1_000).contains(&self.pool_max),
            "database_pool_max",
            "must be between 2 and 1000",
        );
        // Small enough that the embedded server's connections are enough for all domains, their
        // relays, a few replicas of `--split` (which counts them itself) and an operator.
        reader.require(
            groups.domains().all(|domain| self.urls.contains_key(&domain)) || self.pool_max <= 20,
            "database_pool_max",
            "must be at most 20 with the embedded database",
        );
    }
}

const fn url_name(domain: Domain) -> &'static str {
    match domain {
        Domain::Users => "users.database_url",
        Domain::Cycles => "cycles.database_url",
        Domain::Analytics => "analytics.database_url",
        Domain::Notifications => "notifications.database_url",
    }
}

/// The bus.
pub(crate) struct Bus {
    /// A NATS server; without one the bus is in memory.
    pub(crate) nats_url: Option<SecretString>,
}

impl Bus {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { nats_url: reader.optional_text("nats_url").map(Into::into) }
    }

    pub(super) fn validate(&self, reader: &mut Reader) {
        let Some(urls) = &self.nats_url else { return };
        for url in urls.expose_secret().split(',') {
            let scheme = url.split_once("://").map(|(scheme, _)| scheme.trim());
            reader.require(
                matches!(scheme, None | Some("nats" | "tls")),
                "nats_url",
                "must begin with nats:// or tls://, as nats://127.0.0.1:4222",
            );
        }
    }
}
