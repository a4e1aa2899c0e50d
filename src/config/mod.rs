//! Configuration: read once, from defaults, an optional file, the environment and flags, in this
//! order. One struct per concern, each with its keys, its reading and its checks in one file.
//!
//! [`keys::all`] is the one table of every key: what may stand in a file, which variable sets it,
//! what `config print` shows and what the README's table is made from.

mod auth;
mod broker;
mod connections;
mod erasures;
mod group;
mod http;
pub(crate) mod keys;
mod limits;
mod log;
mod mail;
pub(crate) mod print;
mod reader;
mod redact;
mod sealing;
mod secret_file;
mod sources;
mod split;
mod storage;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use auth::{Argon2, Auth};
pub(crate) use broker::nats_url;
pub(crate) use connections::Connections;
pub(crate) use erasures::Erasures;
pub(crate) use group::{Domain, Group, Groups};
pub(crate) use http::Http;
pub(crate) use limits::{Analytics, Limits};
pub(crate) use log::{Log, LogFormat};
pub(crate) use mail::Mail;
use reader::Reader;
pub(crate) use sealing::Sealing;
pub(crate) use secret_file::check as check_secret_file;
pub(crate) use sources::{Sources, environment};
pub(crate) use split::Split;
pub(crate) use storage::{Bus, Databases, PostgresPrograms, Storage};

use crate::output::counted;

/// Everything that can be configured, checked.
pub(crate) struct Config {
    /// Which groups this process hosts.
    pub(crate) groups: Groups,
    /// How many processes every group has; none if this one hosts what `groups` says.
    pub(crate) split: Option<Split>,
    /// How strict the defaults are.
    pub(crate) profile: Profile,
    /// Where and how HTTP is served.
    pub(crate) http: Http,
    /// Bounds on connections.
    pub(crate) connections: Connections,
    /// Where the embedded defaults keep their data.
    pub(crate) storage: Storage,
    /// The databases that are not embedded, and the size of every pool.
    pub(crate) databases: Databases,
    /// The bus.
    pub(crate) bus: Bus,
    /// Log lines.
    pub(crate) log: Log,
    /// Access tokens.
    pub(crate) auth: Auth,
    /// Password hashing.
    pub(crate) argon2: Argon2,
    /// Keys of what is sealed.
    pub(crate) sealing: Sealing,
    /// The ledger of erasures.
    pub(crate) erasures: Erasures,
    /// Mail to the owners of accounts.
    pub(crate) mail: Mail,
    /// Admission and other bounds.
    pub(crate) limits: Limits,
    /// The analytics group.
    pub(crate) analytics: Analytics,
    /// What is odd but no reason to refuse, to be logged once logging works.
    pub(crate) warnings: Vec<String>,
    /// Every key with its value as it may be shown, and where it came from.
    pub(crate) settings: Vec<print::Setting>,
}

/// How strict the defaults are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Secrets are generated in the data directory; short passwords are accepted.
    Development,
    /// Nothing is generated: every secret is given, or the process refuses to start.
    Production,
}

/// Every problem of a configuration at once, so that nobody has to mend them one by one.
#[derive(Debug)]
pub(crate) struct Problems(pub(crate) Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the configuration has {}:", counted(self.0.len(), "problem"))?;
        self.0.iter().try_for_each(|problem| write!(formatter, "\n  - {problem}"))
    }
}

impl std::error::Error for Problems {}

impl Config {
    /// Reads and checks the whole configuration.
    ///
    /// # Errors
    /// All problems at once, each with the key and where its value came from.
    pub(crate) fn load(sources: &Sources) -> Result<Self, Problems> {
        let mut reader = Reader::new(sources)?;
        let groups = Groups::read(&mut reader);
        let http = Http::read(&mut reader, &groups);
        let config = Self {
            split: Split::read(&mut reader),
            profile: read_profile(&mut reader),
            connections: Connections::read(&mut reader, &http.trusted_proxies),
            http,
            groups,
            storage: Storage::read(&mut reader, sources),
            databases: Databases::read(&mut reader),
            bus: Bus::read(&mut reader),
            log: Log::read(&mut reader),
            auth: Auth::read(&mut reader),
            argon2: Argon2::read(&mut reader),
            sealing: Sealing::read(&mut reader),
            erasures: Erasures::read(&mut reader),
            mail: Mail::read(&mut reader),
            limits: Limits::read(&mut reader),
            analytics: Analytics::read(&mut reader),
            warnings: Vec::new(),
            settings: Vec::new(),
        };
        config.validate(&mut reader);
        reader.finish(config)
    }

    fn validate(&self, reader: &mut Reader) {
        self.groups.validate(reader, &self.bus);
        let (groups, bus, databases) = (&self.groups, &self.bus, &self.databases);
        Split::validate(self.split.as_ref(), reader, groups, bus, databases);
        self.http.validate(reader);
        self.connections.validate(reader);
        self.databases.validate(reader, &self.groups);
        self.bus.validate(reader);
        self.log.validate(reader);
        self.auth.validate(reader, self.profile, &self.groups, &self.storage.data_dir);
        self.argon2.validate(reader);
        self.sealing.validate(reader, self.profile, &self.groups, &self.storage.data_dir);
        self.erasures.validate(reader, &self.groups);
        self.mail.validate(reader, self.profile, &self.groups);
        self.limits.validate(reader);
        self.analytics.validate(reader);
        secret_file::validate_config_file(reader, self.profile);
    }
}

/// The keys at the top level of the file that belong to no section.
pub(super) const KEYS: &[keys::Key] = &[keys::Key {
    name: "profile",
    default: Some("development"),
    flag: Some("--profile"),
    alias: None,
    secret: false,
    about: "`development` generates its secrets in the data directory; `production` refuses to start without given ones",
}];

fn read_profile(reader: &mut Reader) -> Profile {
    match reader.text("profile").as_str() {
        "production" => Profile::Production,
        "development" => Profile::Development,
        other => {
            reader.problem("profile", format!("must be development or production, not {other:?}"));
            // Nothing starts with it; it only keeps this from looking like further problems.
            Profile::Development
        }
    }
}
