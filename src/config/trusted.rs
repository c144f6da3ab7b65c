//! The proxies whose X-Forwarded-* headers are trusted.

use std::net::IpAddr;

use ipnet::IpNet;

/// Addresses and networks of the proxies in front of the web port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads addresses and networks, separated by blanks or commas: `10.0.0.0/8, 192.168.1.1`. `*` trusts every
    /// address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut networks = Vec::new();
        for word in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
            if word == "*" {
                networks.extend([IpNet::new(IpAddr::from([0; 4]), 0), IpNet::new(IpAddr::from([0; 16]), 0)]);
                continue;
            }
            let network = word.parse::<IpNet>().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
            networks.push(Ok(network.map_err(|_| format!("`{word}` is neither an address nor a network"))?));
        }
        Ok(Self(networks.into_iter().flatten().collect()))
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        // A socket on `[::]` reports an IPv4 peer as ::ffff:10.0.0.1.
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_peer_is_the_same_on_a_socket_of_either_kind() {
        let trusted = TrustedProxies::parse("10.0.0.0/8, 192.168.1.1 fd00::/8").unwrap();
        let is_trusted = |text: &str| trusted.contains(text.parse().unwrap());
        assert!(["10.1.2.3", "::ffff:10.1.2.3", "192.168.1.1", "fd00::1"].into_iter().all(is_trusted));
        assert!(!["11.0.0.1", "192.168.1.2", "::1", "::ffff:11.0.0.1"].into_iter().any(is_trusted));
        assert!(!TrustedProxies::default().contains("127.0.0.1".parse().unwrap()));
        let all = TrustedProxies::parse("*").unwrap();
        assert!(all.contains("1.2.3.4".parse().unwrap()) && all.contains("::1".parse().unwrap()));
        for bad in ["10.0.0.0/33", "example.com", "10.0.0"] {
            assert!(TrustedProxies::parse(bad).is_err(), "{bad}");
        }
    }
}
