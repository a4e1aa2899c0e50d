//! Where and how HTTP is served.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;

use super::{Groups, keys::Key, reader::Reader};

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        default: None,
        flag: Some("--listen"),
        alias: None,
        secret: false,
        about: "address and port of the API; port 0 takes a free one; by default `127.0.0.1:8080`, and \
                without the gateway the port of the group: 5001 for `users`, 5002 for `cycles`, 5003 for \
                `analytics`, 5004 for `notifications`",
    },
    Key {
        name: "admin_listen",
        default: None,
        flag: Some("--admin-listen"),
        alias: None,
        secret: false,
        about: "address and port of `/livez`, `/readyz` and `/metrics`; `none` turns them off; by default \
                `127.0.0.1:9090`, and without the gateway 9091 to 9094 in the order of the groups",
    },
    Key {
        name: "request_timeout_ms",
        default: Some("5000"),
        flag: None,
        alias: None,
        secret: false,
        about: "time a request may take, in milliseconds",
    },
    Key {
        name: "allowed_origins",
        default: None,
        flag: None,
        alias: None,
        secret: false,
        about: "web origins that browsers may call from, such as `https://app.example`; none by default",
    },
    Key {
        name: "trusted_proxies",
        default: None,
        flag: None,
        alias: None,
        secret: false,
        about: "addresses or networks of proxies before the API, such as `10.0.0.0/8`: of the addresses in \
                their `X-Forwarded-For` the last one that is none of them is the client's; without any the \
                header means nothing",
    },
];

/// Where and how HTTP is served.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    /// The API.
    pub(crate) listen: SocketAddr,
    /// Health and metrics, unless turned off.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// How long a request may take.
    pub(crate) request_timeout: Duration,
    /// Origins that browsers may call from.
    pub(crate) allowed_origins: Vec<String>,
    /// Networks of proxies whose word on the client's address counts.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl Http {
    pub(super) fn read(reader: &mut Reader, groups: &Groups) -> Self {
        Self {
            listen: address(reader, "listen", groups.default_listen()).unwrap_or_else(nowhere),
            admin_listen: address(reader, "admin_listen", groups.default_admin_listen()),
            request_timeout: reader.milliseconds("request_timeout_ms"),
            allowed_origins: reader.list("allowed_origins"),
            trusted_proxies: networks(reader),
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader) {
        let timeout_ms = self.request_timeout.as_millis();
        reader.require(
            (100..=60_000).contains(&timeout_ms),
            "request_timeout_ms",
            format!("must be between 100 and 60000, not {timeout_ms}"),
        );
        reader.require(
            self.listen.port() == 0 || self.admin_listen != Some(self.listen),
            "admin_listen",
            "must not be the address of the API",
        );
        for origin in &self.allowed_origins {
            let place = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            reader.require(
                place.is_some_and(|place| !place.is_empty() && !place.contains(['/', '*', '?'])),
                "allowed_origins",
                format!("{origin:?} is no origin; write scheme and host, as https://app.example"),
            );
        }
    }
}

/// Networks, or single addresses.
fn networks(reader: &mut Reader) -> Vec<IpNet> {
    let name = "trusted_proxies";
    let mut found = Vec::new();
    for word in reader.list(name) {
        let network = word.parse().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
        match network {
            Ok(network) => found.push(network),
            Err(_) => reader.problem(
                name,
                format!("{word:?} is no network; write one as 10.0.0.0/8 or 192.0.2.7"),
            ),
        }
    }
    found
}

fn address(reader: &mut Reader, name: &'static str, default: SocketAddr) -> Option<SocketAddr> {
    let Some(text) = reader.optional_text(name) else {
        reader.show(name, &default.to_string());
        return Some(default);
    };
    if name == "admin_listen" && text == "none" {
        return None;
    }
    let numeric = text.replacen("localhost:", "127.0.0.1:", 1);
    let parsed = numeric.parse();
    if parsed.is_err() {
        reader.problem(
            name,
            format!("{text:?} is no address; write one as 127.0.0.1:8080 or 0.0.0.0:8080"),
        );
    }
    parsed.ok()
}

/// Stands in for an address that was refused; a problem is noted, so it is never bound.
fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Sources};

    #[test]
    fn proxies_are_networks_or_addresses() {
        let load = |text: &str| {
            let environment = [("HOME", "/home/ada"), ("LUNATION_TRUSTED_PROXIES", text)];
            let environment =
                environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            Config::load(&Sources { environment, ..Sources::default() })
        };
        let config = load("10.0.0.0/8, 192.0.2.7,2001:db8::/32").unwrap();
        let networks = config.http.trusted_proxies.iter().map(ToString::to_string);
        assert_eq!(networks.collect::<Vec<_>>(), ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]);
        for text in ["proxy", "10.0.0.0/33", "10.0.0"] {
            assert!(load(text).err().unwrap().to_string().contains("is no network"), "{text}");
        }
    }
}
