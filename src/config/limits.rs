//! Bounds: how much is admitted, kept and repeated.

use std::time::Duration;

use super::{keys::Key, reader::Reader};

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "limits.in_flight_per_group",
        default: Some("256"),
        flag: None,
        alias: None,
        secret: false,
        about: "asks that a group works on at once; more are refused with 503",
    },
    Key {
        name: "limits.in_flight_per_user",
        default: Some("8"),
        flag: None,
        alias: None,
        secret: false,
        about: "asks of one user that a group works on at once",
    },
    Key {
        name: "limits.failures_per_address_minute",
        default: Some("10"),
        flag: None,
        alias: None,
        secret: false,
        about: "failed sign-ins and password resets that one address (IPv4, or /64 of IPv6) may cause in a \
                minute, for the users group; more are refused with 429. An account has its own wait",
    },
    Key {
        name: "limits.failures_per_address_hour",
        default: Some("100"),
        flag: None,
        alias: None,
        secret: false,
        about: "the same in an hour",
    },
    Key {
        name: "anti_entropy_seconds",
        default: Some("60"),
        flag: None,
        alias: None,
        secret: false,
        about: "how often consumers ask the owners what they missed, in seconds",
    },
    Key {
        name: "analytics.live_actors_max",
        default: Some("50000"),
        flag: None,
        alias: None,
        secret: false,
        about: "most user actors alive at once; about 10 KiB each",
    },
    Key {
        name: "analytics.idle_seconds",
        default: Some("600"),
        flag: None,
        alias: None,
        secret: false,
        about: "how long a user actor without work stays alive, in seconds",
    },
];

/// Admission and other bounds that all groups share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Asks in flight per group.
    pub(crate) in_flight_per_group: usize,
    /// Asks in flight per user and group.
    pub(crate) in_flight_per_user: usize,
    /// Failed sign-ins of one address in a minute.
    pub(crate) failures_per_address_minute: u32,
    /// The same in an hour.
    pub(crate) failures_per_address_hour: u32,
    /// How often anti-entropy runs.
    pub(crate) anti_entropy: Duration,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            in_flight_per_group: reader.number("limits.in_flight_per_group"),
            in_flight_per_user: reader.number("limits.in_flight_per_user"),
            failures_per_address_minute: reader.number("limits.failures_per_address_minute"),
            failures_per_address_hour: reader.number("limits.failures_per_address_hour"),
            anti_entropy: reader.seconds("anti_entropy_seconds"),
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader) {
        reader.require(
            (1..=65_536).contains(&self.in_flight_per_group),
            "limits.in_flight_per_group",
            "must be between 1 and 65536",
        );
        reader.require(
            (1..=self.in_flight_per_group.max(1)).contains(&self.in_flight_per_user),
            "limits.in_flight_per_user",
            "must be at least 1 and at most limits.in_flight_per_group",
        );
        for (name, value) in [
            ("limits.failures_per_address_minute", self.failures_per_address_minute),
            ("limits.failures_per_address_hour", self.failures_per_address_hour),
        ] {
            reader.require((1..=1_000_000).contains(&value), name, "must be between 1 and 1000000");
        }
        reader.require(
            (1..=86_400).contains(&self.anti_entropy.as_secs()),
            "anti_entropy_seconds",
            "must be between 1 and 86400",
        );
    }
}

/// The analytics group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Analytics {
    /// Most user actors alive at once.
    pub(crate) live_actors_max: usize,
    /// How long one without work stays alive.
    pub(crate) idle: Duration,
}

impl Analytics {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            live_actors_max: reader.number("analytics.live_actors_max"),
            idle: reader.seconds("analytics.idle_seconds"),
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader) {
        reader.require(
            (1..=10_000_000).contains(&self.live_actors_max),
            "analytics.live_actors_max",
            "must be between 1 and 10000000",
        );
        reader.require(
            (1..=86_400).contains(&self.idle.as_secs()),
            "analytics.idle_seconds",
            "must be between 1 and 86400",
        );
    }
}
