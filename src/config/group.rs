//! Groups: what a process can host.

use std::{fmt, net::SocketAddr};

use super::{keys::Key, reader::Reader, storage::Bus};

pub(super) const KEYS: &[Key] = &[Key {
    name: "groups",
    default: Some("all"),
    flag: Some("--groups"),
    alias: None,
    secret: false,
    about: "groups in this process: `all`, or a list of `api`, `users`, `cycles`, `analytics`, `notifications`; \
            those that it needs and leaves out are reached over `nats_url`",
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

    /// The domains that this one asks, wherever they run. Every one but `users` itself asks
    /// `users` for the keys that it verifies forwarded tokens with.
    const fn asks(self) -> &'static [Self] {
        match self {
            Self::Users => &[],
            Self::Cycles => &[Self::Users],
            Self::Analytics => &[Self::Users, Self::Cycles],
            Self::Notifications => &[Self::Users, Self::Analytics],
        }
    }

    /// The port of its API in a process of its own: that of the earlier system.
    const fn port(self) -> u16 {
        match self {
            Self::Users => 5001,
            Self::Cycles => 5002,
            Self::Analytics => 5003,
            Self::Notifications => 5004,
        }
    }

    /// The port of health and metrics of such a process.
    const fn admin_port(self) -> u16 {
        match self {
            Self::Users => 9091,
            Self::Cycles => 9092,
            Self::Analytics => 9093,
            Self::Notifications => 9094,
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

    /// The group of a word.
    pub(super) fn parse(word: &str) -> Option<Self> {
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

    /// One group alone.
    pub(crate) fn of(group: Group) -> Self {
        Self(vec![group])
    }

    /// Whether the gateway is in this process.
    pub(crate) fn has_gateway(&self) -> bool {
        self.has(Group::Api)
    }

    /// Whether every group is in this process.
    pub(crate) fn is_all(&self) -> bool {
        self.0.len() == Group::ALL.len()
    }

    /// What this process is called where it is listed: `all`, or its groups.
    pub(crate) fn label(&self) -> String {
        if self.is_all() { "all".to_owned() } else { self.to_string().replace(',', "-") }
    }

    /// The domains that this process asks and does not host.
    pub(crate) fn remote_domains(&self) -> impl Iterator<Item = Domain> {
        Domain::ALL.into_iter().filter(|domain| !self.has_domain(*domain) && self.asks(*domain))
    }

    /// The address of the API unless another is given: the gateway's, or that of the first group.
    pub(crate) fn default_listen(&self) -> SocketAddr {
        self.loopback(8080, Domain::port)
    }

    /// The address of health and metrics unless another is given.
    pub(crate) fn default_admin_listen(&self) -> SocketAddr {
        self.loopback(9090, Domain::admin_port)
    }

    fn loopback(&self, of_gateway: u16, of_domain: fn(Domain) -> u16) -> SocketAddr {
        let domain = self.domains().next().filter(|_| !self.has_gateway());
        SocketAddr::from(([127, 0, 0, 1], domain.map_or(of_gateway, of_domain)))
    }

    fn asks(&self, domain: Domain) -> bool {
        self.has_gateway() || self.domains().any(|hosted| hosted.asks().contains(&domain))
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

    pub(super) fn validate(&self, reader: &mut Reader, bus: &Bus) {
        reader.require(!self.0.is_empty(), "groups", "names no group; `all` is the default");
        let remote: Vec<&str> = self.remote_domains().map(Domain::name).collect();
        reader.require(
            remote.is_empty() || bus.nats_url.is_some(),
            "groups",
            format!(
                "leaves out {}, which {self} must reach: name the NATS server that they share with \
                 --nats or NATS_URL, or run all groups",
                remote.join(", ")
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
