//! Bounds on connections: how many there are, and how long nothing may happen on one.

use std::time::Duration;

use ipnet::IpNet;

use super::{keys::Key, reader::Reader};

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "connections.total_max",
        default: Some("4096"),
        flag: None,
        alias: None,
        secret: false,
        about: "open connections of a listener (1 to 1000000); whoever comes then is answered 503 and let go",
    },
    Key {
        name: "connections.per_address_max",
        default: Some("256"),
        flag: None,
        alias: None,
        secret: false,
        about: "open connections of one address (IPv4, or /64 of IPv6), at most `connections.total_max`; \
                proxies of `trusted_proxies` are not counted by their address",
    },
    Key {
        name: "connections.head_timeout_ms",
        default: Some("10000"),
        flag: None,
        alias: None,
        secret: false,
        about: "time for the head of a request from its first byte on, and for the first byte from the \
                connection on, in milliseconds (50 to 600000); then the connection is cut",
    },
    Key {
        name: "connections.idle_timeout_ms",
        default: Some("60000"),
        flag: None,
        alias: None,
        secret: false,
        about: "time that a connection is kept open between two requests, in milliseconds (50 to 3600000)",
    },
    Key {
        name: "connections.write_timeout_ms",
        default: Some("30000"),
        flag: None,
        alias: None,
        secret: false,
        about: "time in which a client has to take something of an answer, in milliseconds (50 to 600000)",
    },
];

/// Bounds on the connections of a listener.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    /// Open connections.
    pub(crate) total_max: usize,
    /// Open connections of one address.
    pub(crate) per_address_max: usize,
    /// Networks whose addresses stand for many clients each.
    pub(crate) uncounted: Vec<IpNet>,
    /// How long the head of a request may take.
    pub(crate) head_timeout: Duration,
    /// How long nothing may happen between two requests.
    pub(crate) idle_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub(crate) write_timeout: Duration,
}

impl Connections {
    pub(super) fn read(reader: &mut Reader, trusted_proxies: &[IpNet]) -> Self {
        Self {
            total_max: reader.number("connections.total_max"),
            per_address_max: reader.number("connections.per_address_max"),
            uncounted: trusted_proxies.to_vec(),
            head_timeout: reader.milliseconds("connections.head_timeout_ms"),
            idle_timeout: reader.milliseconds("connections.idle_timeout_ms"),
            write_timeout: reader.milliseconds("connections.write_timeout_ms"),
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader) {
        reader.require(
            (1..=1_000_000).contains(&self.total_max),
            "connections.total_max",
            "must be between 1 and 1000000",
        );
        reader.require(
            (1..=self.total_max.max(1)).contains(&self.per_address_max),
            "connections.per_address_max",
            "must be at least 1 and at most connections.total_max",
        );
        for (name, value, most) in [
            ("connections.head_timeout_ms", self.head_timeout, 600_000),
            ("connections.idle_timeout_ms", self.idle_timeout, 3_600_000),
            ("connections.write_timeout_ms", self.write_timeout, 600_000),
        ] {
            let sane = (50..=most).contains(&value.as_millis());
            reader.require(sane, name, format!("must be between 50 and {most}"));
        }
    }
}
