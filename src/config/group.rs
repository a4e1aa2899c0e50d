//! Groups: what a process can host.

use std::fmt;

use super::{keys::Key, reader::Reader};

pub(super) const KEYS: &[Key] = &[Key {
    name: "groups",
    default: Some("all"),
    flag: Some("--groups"),
    alias: None,
    secret: false,
    about: "groups in this process: `all`, or a list of `api`, `users`, `cycles`, `analytics`, `notifications`",
}];

/// A domain: a group with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Domain {
    /// Accounts and tokens.
    Users,
    /// Periods and symptoms.
    Cycles,
    /// Statistics and predictions.
    Analytics,
    /// Preferences and reminders.
    Notifications,
}

impl Domain {
    /// Every domain, in the order in which they depend on each other's data.
    pub(crate) const ALL: [Self; 4] =
        [Self::Users, Self::Cycles, Self::Analytics, Self::Notifications];

    /// The name of the domain, of its group, its database and its role.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Cycles => "cycles",
            Self::Analytics => "analytics",
            Self::Notifications => "notifications",
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A group: what can be put into a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Group {
    /// The gateway.
    Api,
    /// A domain.
    Domain(Domain),
}

impl Group {
    /// Every group.
    pub(crate) const ALL: [Self; 5] = [
        Self::Api,
        Self::Domain(Domain::Users),
        Self::Domain(Domain::Cycles),
        Self::Domain(Domain::Analytics),
        Self::Domain(Domain::Notifications),
    ];

    /// The word in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Domain(domain) => domain.name(),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.name() == word)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The groups of this process, in the order of [`Group::ALL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Groups(Vec<Group>);

impl Groups {
    /// Whether a group is in this process.
    pub(crate) fn has(&self, group: Group) -> bool {
        self.0.contains(&group)
    }

    /// Whether a domain is in this process.
    pub(crate) fn has_domain(&self, domain: Domain) -> bool {
        self.has(Group::Domain(domain))
    }

    /// The domains of this process.
    pub(crate) fn domains(&self) -> impl Iterator<Item = Domain> {
        Domain::ALL.into_iter().filter(|domain| self.has_domain(*domain))
    }

    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut found = Vec::new();
        for word in reader.list("groups") {
            match Group::parse(&word) {
                Some(group) => found.push(group),
                None if word == "all" => found.extend(Group::ALL),
                None => reader.problem("groups", format!("there is no group {word:?}")),
            }
        }
        Self(Group::ALL.into_iter().filter(|group| found.contains(group)).collect())
    }

    pub(super) fn validate(&self, reader: &mut Reader) {
        reader.require(!self.0.is_empty(), "groups", "names no group; `all` is the default");
        let missing: Vec<&str> =
            Group::ALL.into_iter().filter(|group| !self.has(*group)).map(Group::name).collect();
        reader.require(
            missing.is_empty() || self.0.is_empty(),
            "groups",
            format!(
                "leaves out {}, and groups that are not in this process cannot be reached yet; \
                 run all groups",
                missing.join(", ")
            ),
        );
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|group| group.name()).collect();
        formatter.write_str(&names.join(","))
    }
}
