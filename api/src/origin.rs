//! Where a request comes from: the address of the client, as far as it can be believed.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use poem::{Addr, Request};

/// The header by which a proxy says for whom it asks.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// The header by which it says how it was asked.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Proxies whose word counts. Without any, the header means nothing: everybody can write it.
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Those of these networks.
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The client's address: the last one of the chain that is no proxy of ours. What stands before
    /// it was written by the client.
    pub(crate) fn origin_of(&self, request: &Request) -> Option<IpAddr> {
        let Addr::SocketAddr(peer) = request.remote_addr().0 else { return None };
        let values = request.headers().get_all(FORWARDED_FOR).iter();
        // A value that is no text is nobody's word, and hides whatever is before it.
        let chain: Vec<&str> =
            values.flat_map(|value| value.to_str().unwrap_or("?").split(',')).collect();
        Some(self.origin(peer.ip(), &chain))
    }

    /// Whether the client has TLS as far as to a proxy of ours.
    pub(crate) fn say_encrypted(&self, request: &Request) -> bool {
        let Addr::SocketAddr(peer) = request.remote_addr().0 else { return false };
        self.trusts(peer.ip().to_canonical()) && is_encrypted(request)
    }

    fn origin(&self, peer: IpAddr, chain: &[&str]) -> IpAddr {
        let mut origin = peer.to_canonical();
        for hop in chain.iter().rev() {
            let (true, Some(before)) = (self.trusts(origin), address_of(hop.trim())) else { break };
            origin = before;
        }
        origin
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// What the proxy before us wrote stands last.
fn is_encrypted(request: &Request) -> bool {
    let last = request.headers().get_all(FORWARDED_PROTO).iter().next_back();
    let last = last.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    last.is_some_and(|word| word.trim().eq_ignore_ascii_case("https"))
}

/// An address, with its port or without.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_that_is_no_proxy_of_ours_counts() {
        let ours = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8:1::/48"];
        let proxies = TrustedProxies::new(ours.map(|it| it.parse().unwrap()).to_vec());
        for (peer, chain, origin) in [
            // Nobody else's word counts.
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("192.0.2.1", "", "192.0.2.1"),
            ("127.0.0.1", "", "127.0.0.1"),
            ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
            // What the client wrote itself stands before what our proxy added.
            ("127.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
            ("127.0.0.1", "1.1.1.1, 198.51.100.7, 10.3.2.1", "198.51.100.7"),
            ("127.0.0.1", "10.1.1.1, 10.3.2.1", "10.1.1.1"),
            ("::ffff:10.0.0.9", "198.51.100.7:4711", "198.51.100.7"),
            ("2001:db8:1::5", "[2001:db8:2::7]:443", "2001:db8:2::7"),
            ("2001:db8:1::5", "[2001:db8:2::7]", "2001:db8:2::7"),
            ("127.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
            // What is no address ends the chain.
            ("127.0.0.1", "198.51.100.7, unknown", "127.0.0.1"),
            ("127.0.0.1", "198.51.100.7, , 10.3.2.1", "10.3.2.1"),
            ("127.0.0.1", "localhost", "127.0.0.1"),
        ] {
            let chain: Vec<&str> = chain.split(',').collect();
            let found = proxies.origin(peer.parse().unwrap(), &chain);
            assert_eq!(found, origin.parse::<IpAddr>().unwrap(), "{peer} {chain:?}");
        }
        let nobody = TrustedProxies::new(Vec::new());
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(nobody.origin(peer, &["198.51.100.7"]), peer);
    }

    #[test]
    fn the_last_word_on_encryption_is_the_proxy_s() {
        let said = |values: &[&'static str]| {
            let request = Request::builder();
            let with = |request: poem::RequestBuilder, value: &&'static str| {
                request.header(FORWARDED_PROTO, *value)
            };
            is_encrypted(&values.iter().fold(request, with).finish())
        };
        assert!(said(&["https"]) && said(&["http, HTTPS"]) && said(&["http", "https"]));
        assert!(!said(&[]) && !said(&["http"]) && !said(&["https,http"]) && !said(&["https", ""]));
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let request = Request::builder().header(FORWARDED_PROTO, "https").finish();
        assert!(!proxies.say_encrypted(&request), "nobody knows who says so");
    }
}
