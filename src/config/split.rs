//! One machine, a process per group.

use std::collections::BTreeMap;

use super::{
    group::{Domain, Group, Groups},
    keys::Key,
    reader::Reader,
    storage::{Bus, Databases},
};

/// Most processes of one group on one machine.
const REPLICAS_MAX: usize = 8;

/// What the relay of a domain opens beside the pool of its actors.
const RELAY_CONNECTIONS: usize = 2;
/// Of the embedded server's 200 connections, with room for an operator.
const CONNECTIONS_MAX: usize = 190;

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "split",
        default: Some("false"),
        flag: Some("--split"),
        alias: None,
        secret: false,
        about: "`true` runs every group in a process of its own, with a NATS server and databases of their own",
    },
    Key {
        name: "replicas",
        default: None,
        flag: Some("--replicas"),
        alias: None,
        secret: false,
        about: "with `split`: how many processes a group has, as a list such as `analytics=2`; one each by default",
    },
];

/// How many processes every group has; none if all groups are in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    replicas: BTreeMap<Group, usize>,
}

impl Split {
    /// How many processes a group has.
    pub(crate) fn replicas(&self, group: Group) -> usize {
        self.replicas.get(&group).copied().unwrap_or(1)
    }

    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let split = match reader.text("split").as_str() {
            "true" => true,
            "false" => false,
            other => {
                reader.problem("split", format!("must be true or false, not {other:?}"));
                false
            }
        };
        let mut replicas = BTreeMap::new();
        for entry in reader.list("replicas") {
            let parsed = entry.split_once('=').and_then(|(name, number)| {
                let number =
                    number.parse().ok().filter(|number| (1..=REPLICAS_MAX).contains(number));
                Some((Group::parse(name)?, number?))
            });
            match parsed {
                Some((group, number)) => drop(replicas.insert(group, number)),
                None => reader.problem(
                    "replicas",
                    format!(
                        "{entry:?} is no group and number from 1 to {REPLICAS_MAX}, as analytics=2"
                    ),
                ),
            }
        }
        reader.require(split || replicas.is_empty(), "replicas", "means something only with split");
        split.then_some(Self { replicas })
    }

    pub(super) fn validate(
        split: Option<&Self>,
        reader: &mut Reader,
        groups: &Groups,
        bus: &Bus,
        databases: &Databases,
    ) {
        let Some(split) = split else { return };
        reader.require(
            Group::ALL.into_iter().all(|group| groups.has(group)),
            "split",
            "runs all groups; leave `groups` out",
        );
        reader.require(
            bus.nats_url.is_none(),
            "split",
            "starts a NATS server of its own; to use yours, start each group with --groups",
        );
        let processes: usize =
            Domain::ALL.into_iter().map(|domain| split.replicas(Group::Domain(domain))).sum();
        let each = usize::try_from(databases.pool_max).unwrap_or(usize::MAX);
        let needed = each.saturating_add(RELAY_CONNECTIONS).saturating_mul(processes);
        reader.require(
            needed <= CONNECTIONS_MAX,
            "replicas",
            format!(
                "{processes} processes may open {needed} connections to databases, and the embedded \
                 Postgres has {CONNECTIONS_MAX} for them; lower database_pool_max"
            ),
        );
        reader.require(
            databases.urls.is_empty(),
            "split",
            "starts databases of its own; to use yours, start each group with --groups",
        );
    }
}
