//! Who asks, and by which name: from the connection, and from the words of proxies that are trusted.

use std::net::{IpAddr, SocketAddr};

use hyper::Request;
use hyper::header::{self, HeaderMap};

use crate::config::trusted::TrustedProxies;

/// The client as Frappe is to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    pub scheme: &'static str,
    /// With its port, as the client wrote it; empty where an HTTP/1.0 client gave none.
    pub host: String,
    /// Whether the peer's words about others are believed.
    pub by_proxy: bool,
}

/// How the connection came to us.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    pub tls: bool,
}

impl Client {
    /// None where the request names no host, or several, or something that is none.
    pub fn of<B>(request: &Request<B>, peer: Peer, trusted: &TrustedProxies) -> Option<Self> {
        let by_proxy = trusted.contains(peer.address.ip());
        let headers = request.headers();
        let said = |name: &str| if by_proxy { last(headers, name) } else { None };
        let first_hop = if by_proxy { first(headers, "x-forwarded-proto") } else { None };
        let scheme = match first_hop {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => "http",
            _ if peer.tls => "https",
            _ => "http",
        };
        let own = own_host(request)?;
        let host = said("x-forwarded-host").unwrap_or(own);
        let address = if by_proxy { behind(headers, peer.address.ip(), trusted) } else { peer.address.ip() };
        is_host(host).then(|| Self { address: address.to_canonical(), scheme, host: host.into(), by_proxy })
    }
}

/// RFC 9112, 3.2: more than one Host is refused, and the target's own authority wins.
fn own_host<B>(request: &Request<B>) -> Option<&str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return None;
    }
    match (request.uri().authority(), first) {
        (Some(authority), _) => Some(authority.as_str()),
        (None, Some(host)) => host.to_str().ok().filter(|host| !host.is_empty()),
        (None, None) if request.version() <= hyper::Version::HTTP_10 => Some(""),
        (None, None) => None,
    }
}

fn is_host(host: &str) -> bool {
    host.len() <= 260 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
}

/// The value that the nearest proxy set or added.
fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim).filter(|value| !value.is_empty())
}

/// The value of the proxy that the client came to: the scheme that the client itself used.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(str::trim).filter(|value| !value.is_empty())
}

/// The first address from the right that is no trusted proxy: what is left of it, anybody can write.
fn behind(headers: &HeaderMap, peer: IpAddr, trusted: &TrustedProxies) -> IpAddr {
    let values: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let entries =
        values.iter().rev().filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(','));
    let mut nearest = peer;
    for entry in entries {
        let Some(address) = address(entry.trim()) else { break };
        nearest = address;
        if !trusted.contains(address) {
            break;
        }
    }
    nearest
}

/// `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.trim_matches(['[', ']']).parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, tls: bool, headers: &[(&str, &str)]) -> Option<Client> {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer = Peer { address: SocketAddr::new(peer.parse().unwrap(), 1), tls };
        let trusted = TrustedProxies::parse("10.0.0.0/8").unwrap();
        Client::of(&request.body(()).unwrap(), peer, &trusted)
    }

    fn seen(peer: &str, headers: &[(&str, &str)]) -> (String, &'static str, String) {
        let client = client(peer, false, headers).unwrap();
        (client.address.to_string(), client.scheme, client.host)
    }

    const SAID: [(&str, &str); 4] = [
        ("host", "a"),
        ("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.9.9.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "b:444"),
    ];

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(seen("9.9.9.9", &SAID), ("9.9.9.9".into(), "http", "a".into()));
        assert_eq!(seen("10.0.0.1", &SAID), ("1.2.3.4".into(), "https", "b:444".into()));
        assert_eq!(seen("::ffff:10.0.0.1", &SAID).0, "1.2.3.4");
    }

    #[test]
    fn the_scheme_is_the_first_hops_in_any_case() {
        let scheme = |peer, said| seen(peer, &[("host", "a"), ("x-forwarded-proto", said)]).1;
        for https in ["https", "HTTPS", "Https, http", "https,http", " https "] {
            assert_eq!(scheme("10.0.0.1", https), "https", "{https}");
            assert_eq!(scheme("9.9.9.9", https), "http", "{https}");
        }
        for http in ["http", "HTTP,https", "wss", "", ",https"] {
            assert_eq!(scheme("10.0.0.1", http), "http", "{http}");
        }
    }

    #[test]
    fn addresses_are_written_in_many_ways() {
        for (entry, expected) in [
            ("1.2.3.4:80", "1.2.3.4"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("unknown", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            let headers = [("host", "a"), ("x-forwarded-for", entry)];
            assert_eq!(seen("10.0.0.1", &headers).0, expected, "{entry}");
        }
    }

    #[test]
    fn a_request_is_for_one_host() {
        assert_eq!(client("9.9.9.9", true, &[("host", "a")]).unwrap().scheme, "https");
        for bad in [
            &[("host", "a"), ("host", "b")][..],
            &[],
            &[("host", "")],
            &[("host", "a/b")],
            &[("host", "a b")],
        ] {
            assert_eq!(client("9.9.9.9", false, bad), None, "{bad:?}");
        }
    }
}
