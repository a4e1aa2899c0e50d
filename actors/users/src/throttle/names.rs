//! What is counted, by keyed hashes that name nobody.

use std::net::IpAddr;

use actor_runtime::seal::DataKey;
use contracts::Refusal;

use super::{AddressLimits, HOUR, MINUTE, Rule, refusal};
use crate::validate;

/// A keyed hash of what is counted.
pub(crate) type Name = [u8; 32];

/// The names of one attempt.
pub(super) struct Names {
    pub(super) account: Name,
    /// The account from this address.
    pub(super) pair: Name,
    pub(super) address: Option<AddressNames>,
}

/// The names of an address.
#[derive(Clone, Copy)]
pub(super) struct AddressNames {
    pub(super) minute: Name,
    pub(super) hour: Name,
}

impl Names {
    pub(super) fn of(key: &DataKey, email: &str, origin: Option<IpAddr>) -> Result<Self, Refusal> {
        let place = origin.map(place_of).unwrap_or_default();
        let email_key = validate::key_of(email);
        let pair = [&place[..], email_key.as_bytes()].join(&b'\0');
        let address = |_origin| {
            Ok(AddressNames {
                minute: key.fingerprint("throttle minute", &place)?,
                hour: key.fingerprint("throttle hour", &place)?,
            })
        };
        Ok(Self {
            account: key.fingerprint("throttle account", email_key.as_bytes()).map_err(refusal)?,
            pair: key.fingerprint("throttle pair", &pair).map_err(refusal)?,
            address: origin.map(address).transpose().map_err(refusal)?,
        })
    }

    pub(super) fn address_names(&self) -> Vec<Name> {
        self.address.map(|names| vec![names.minute, names.hour]).unwrap_or_default()
    }

    pub(super) fn address_rules(&self, limits: AddressLimits) -> Vec<(Name, Rule)> {
        let AddressLimits { per_minute, per_hour } = limits;
        let rules = |names: AddressNames| {
            vec![
                (names.minute, Rule::Window { max: per_minute, length: MINUTE }),
                (names.hour, Rule::Window { max: per_hour, length: HOUR }),
            ]
        };
        self.address.map(rules).unwrap_or_default()
    }
}

/// An address as it is counted: all of IPv4, and the network of IPv6, which is one household's.
fn place_of(origin: IpAddr) -> Vec<u8> {
    match origin.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().into_iter().take(8).collect(),
    }
}
