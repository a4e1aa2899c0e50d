//! Who gets a connection: so many in all, and so many of one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use ipnet::IpNet;
use poem::web::RemoteAddr;

use crate::config::Connections;

/// The places of a listener.
pub(super) struct Admission {
    taken: Arc<Taken>,
    total_max: usize,
    per_address_max: usize,
    uncounted: Vec<IpNet>,
}

/// Which places are taken.
#[derive(Default)]
struct Taken(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place; free again when it is dropped.
pub(super) struct Place {
    taken: Arc<Taken>,
    address: Option<IpAddr>,
}

/// Why somebody was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// All places are taken.
    Total,
    /// The address has all of its places.
    Address,
}

impl Refused {
    /// The reason in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
        }
    }
}

impl Admission {
    /// All places are free.
    pub(super) fn new(bounds: &Connections) -> Self {
        Self {
            taken: Arc::default(),
            total_max: bounds.total_max,
            per_address_max: bounds.per_address_max,
            uncounted: bounds.uncounted.clone(),
        }
    }

    /// A place for whoever comes from there.
    pub(super) fn admit(&self, remote: &RemoteAddr) -> Result<Place, Refused> {
        let address = remote.as_socket_addr().map(|address| address.ip().to_canonical());
        let counted = address.filter(|it| !self.uncounted.iter().any(|net| net.contains(it)));
        self.admit_address(counted.map(neighbourhood))
    }

    fn admit_address(&self, address: Option<IpAddr>) -> Result<Place, Refused> {
        let mut counts = self.taken.counts();
        if counts.total >= self.total_max {
            return Err(Refused::Total);
        }
        if let Some(address) = address {
            let count = counts.by_address.entry(address).or_default();
            if *count >= self.per_address_max {
                return Err(Refused::Address);
            }
            *count += 1;
        }
        counts.total += 1;
        metrics::gauge!("http_connections").increment(1.0);
        Ok(Place { taken: Arc::clone(&self.taken), address })
    }
}

impl Taken {
    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!("http_connections").decrement(1.0);
        let mut counts = self.taken.counts();
        counts.total = counts.total.saturating_sub(1);
        let Some(address) = self.address else { return };
        if let Some(count) = counts.by_address.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// Who has one address of a network of IPv6 (/64) has all of them.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use super::*;

    fn admission(total_max: usize, per_address_max: usize) -> Admission {
        let second = Duration::from_secs(1);
        Admission::new(&Connections {
            total_max,
            per_address_max,
            uncounted: vec!["10.0.0.0/8".parse().unwrap()],
            head_timeout: second,
            idle_timeout: second,
            write_timeout: second,
        })
    }

    fn from(address: &str) -> RemoteAddr {
        let ip: IpAddr = address.parse().unwrap();
        RemoteAddr(SocketAddr::from((ip, 4711)).into())
    }

    #[test]
    fn an_address_has_so_many_and_others_theirs() {
        let admission = admission(10, 2);
        let first = admission.admit(&from("192.0.2.7")).unwrap();
        let _second = admission.admit(&from("::ffff:192.0.2.7")).unwrap();
        assert_eq!(admission.admit(&from("192.0.2.7")).err(), Some(Refused::Address));
        let _other = admission.admit(&from("192.0.2.8")).unwrap();
        drop(first);
        let _again = admission.admit(&from("192.0.2.7")).unwrap();
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let admission = admission(10, 1);
        let _one = admission.admit(&from("2001:db8:1:2::1")).unwrap();
        assert_eq!(admission.admit(&from("2001:db8:1:2:ffff::")).err(), Some(Refused::Address));
        let _next = admission.admit(&from("2001:db8:1:3::1")).unwrap();
    }

    #[test]
    fn proxies_are_counted_in_the_total_alone() {
        let admission = admission(3, 1);
        let places: Vec<_> = (0..3).map(|_| admission.admit(&from("10.1.2.3")).unwrap()).collect();
        assert_eq!(admission.admit(&from("192.0.2.7")).err(), Some(Refused::Total));
        drop(places);
        let _place = admission.admit(&from("192.0.2.7")).unwrap();
        let counts = admission.taken.counts();
        assert_eq!((counts.total, counts.by_address.len()), (1, 1));
    }
}
