//! One credential per group: who may publish and subscribe to what on the NATS server.
//!
//! The table in `table.rs` is the only place that says so. The server's configuration is rendered
//! from it ([`server_configuration`], and the committed `nats/server.conf`), and every process
//! compares the server with it when it starts ([`probe`](fn@crate::probe)).

mod render;
mod table;

use std::{collections::BTreeMap, fmt};

pub use render::{
    Passwords, ServerSettings, committed_configuration, committed_synced_configuration,
    server_configuration, server_knows_sync_interval,
};
pub use table::{Permission, Verb, permissions};

/// Who connects to the NATS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Credential {
    /// HTTP in front of the groups; it has no events.
    Gateway,
    /// The users group.
    Users,
    /// The cycles group.
    Cycles,
    /// The analytics group.
    Analytics,
    /// The notifications group.
    Notifications,
    /// Makes streams and durables.
    Provisioner,
    /// A person who looks: `events tail`, `dlq`, the NATS CLI.
    Operator,
    /// A process with several groups: what all of them may together, and the provisioner.
    All,
}

impl Credential {
    /// Every credential there is.
    pub const EVERY: [Self; 8] = [
        Self::Gateway,
        Self::Users,
        Self::Cycles,
        Self::Analytics,
        Self::Notifications,
        Self::Provisioner,
        Self::Operator,
        Self::All,
    ];

    /// The user name on the server.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Users => "users",
            Self::Cycles => "cycles",
            Self::Analytics => "analytics",
            Self::Notifications => "notifications",
            Self::Provisioner => "provisioner",
            Self::Operator => "operator",
            Self::All => "all",
        }
    }

    /// The credential of a user name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|credential| credential.name() == name)
    }

    /// Where its answers arrive: nobody else can listen there.
    pub fn inbox_prefix(self) -> String {
        format!("_INBOX_{}", self.name())
    }

    /// The environment variable that holds its password for the committed configuration.
    pub fn password_variable(self) -> String {
        format!("LUNATION_NATS_{}_PASSWORD", self.name().to_uppercase())
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Passwords {
    /// A password for each credential.
    pub fn new(password_of: impl FnMut(Credential) -> String) -> Self {
        let names = Credential::EVERY.into_iter();
        let passwords: BTreeMap<Credential, String> =
            Credential::EVERY.into_iter().zip(names.map(password_of)).collect();
        Self(passwords)
    }

    /// The password of one.
    pub fn of(&self, credential: Credential) -> &str {
        self.0.get(&credential).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests;
