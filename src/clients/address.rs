//! The client's address, scheme and host, from the connection and from the X-Forwarded headers of trusted proxies.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{self, HeaderMap};
use hyper::{Method, Request};

use crate::config::trusted::TrustedProxies;

/// The client as it is presented to Frappe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    pub scheme: &'static str,
    /// The host with its port, as the client sent it. Empty if an HTTP/1.0 client sent none.
    pub host: String,
    /// True if the peer is a trusted proxy, whose X-Forwarded headers are used.
    pub via_proxy: bool,
    /// True if X-Forwarded-For names others behind this address, which is not trusted.
    pub is_forwarder: bool,
}

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    pub tls: bool,
}

impl Client {
    /// Returns None if the request has no host, several hosts, or an invalid one.
    pub fn of<B>(request: &Request<B>, peer: Peer, trusted: &TrustedProxies) -> Option<Self> {
        let via_proxy = trusted.contains(peer.address.ip());
        let headers = request.headers();
        let forwarded = |name: &str| if via_proxy { last(headers, name) } else { None };
        let first_hop = if via_proxy { first(headers, "x-forwarded-proto") } else { None };
        let scheme = match first_hop {
            Some(scheme) if is_one_of(scheme, ["https", "wss"]) => "https",
            Some(scheme) if is_one_of(scheme, ["http", "ws"]) => "http",
            _ if peer.tls => "https",
            _ => "http",
        };
        let requested = requested_host(request)?;
        let host = forwarded("x-forwarded-host").unwrap_or(requested);
        let (address, is_forwarder) = if via_proxy {
            forwarded_client(headers, peer.address.ip(), trusted)
        } else {
            (peer.address.ip(), headers.contains_key("x-forwarded-for"))
        };
        is_valid_host(host).then(|| Self {
            address: address.to_canonical(),
            scheme,
            host: host.into(),
            via_proxy,
            is_forwarder,
        })
    }
}

#[cfg(test)]
impl Client {
    /// A client without a proxy, which named this host.
    pub fn naming(scheme: &'static str, host: &str) -> Self {
        Self {
            address: [1, 2, 3, 4].into(),
            scheme,
            host: host.into(),
            via_proxy: false,
            is_forwarder: false,
        }
    }
}

/// Some proxies name the scheme of a WebSocket: `wss` is https, `ws` is http. Letter case does not count.
fn is_one_of(scheme: &str, names: [&str; 2]) -> bool {
    names.iter().any(|name| scheme.eq_ignore_ascii_case(name))
}

/// The requested host. More than one Host is refused, and the target's authority takes precedence (RFC 9112, 3.2).
fn requested_host<B>(request: &Request<B>) -> Option<&str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return None;
    }
    match (request.uri().authority(), first) {
        // Only CONNECT has a target without scheme and path (RFC 9112, 3.2.3).
        (Some(_), _) if request.uri().scheme().is_none() && request.method() != Method::CONNECT => None,
        (Some(authority), _) => Some(authority.as_str()),
        (None, Some(host)) => host.to_str().ok().filter(|host| !host.is_empty()),
        (None, None) if request.version() <= hyper::Version::HTTP_10 => Some(""),
        (None, None) => None,
    }
}

fn is_valid_host(host: &str) -> bool {
    host.len() <= 260 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
}

/// The last value of a list, which the nearest proxy set or appended.
fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim).filter(|value| !value.is_empty())
}

/// The first value of a list, from the proxy that the client connected to: the scheme that the client used.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(str::trim).filter(|value| !value.is_empty())
}

/// The rightmost address in X-Forwarded-For that is not a trusted proxy, and whether others are left of it. Clients can
/// forge these.
fn forwarded_client(headers: &HeaderMap, peer: IpAddr, trusted: &TrustedProxies) -> (IpAddr, bool) {
    let values: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let mut entries =
        values.iter().rev().filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(','));
    let mut nearest = peer;
    while let Some(address) = entries.next().and_then(|entry| address(entry.trim())) {
        nearest = address;
        if !trusted.contains(address) {
            return (address, entries.next().is_some());
        }
    }
    (nearest, false)
}

/// Parses `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`.
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

    const FORWARDED: [(&str, &str); 4] = [
        ("host", "a"),
        ("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.9.9.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "b:444"),
    ];

    #[test]
    fn forwarded_headers_are_used_only_from_a_trusted_proxy() {
        assert_eq!(seen("9.9.9.9", &FORWARDED), ("9.9.9.9".into(), "http", "a".into()));
        assert_eq!(seen("10.0.0.1", &FORWARDED), ("1.2.3.4".into(), "https", "b:444".into()));
        assert_eq!(seen("::ffff:10.0.0.1", &FORWARDED).0, "1.2.3.4");
    }

    #[test]
    fn the_scheme_is_the_first_value_in_any_letter_case() {
        let scheme = |peer, forwarded| seen(peer, &[("host", "a"), ("x-forwarded-proto", forwarded)]).1;
        for https in ["https", "HTTPS", "Https, http", "https,http", " https ", "wss", "WSS,http"] {
            assert_eq!(scheme("10.0.0.1", https), "https", "{https}");
            assert_eq!(scheme("9.9.9.9", https), "http", "{https}");
        }
        for http in ["http", "HTTP,https", "ws", "ws,wss", "wssx", "", ",https"] {
            assert_eq!(scheme("10.0.0.1", http), "http", "{http}");
        }
        let over_tls = |forwarded| {
            client("10.0.0.1", true, &[("host", "a"), ("x-forwarded-proto", forwarded)]).unwrap().scheme
        };
        assert_eq!(["ws", "http", "wssx", "wss"].map(over_tls), ["http", "http", "https", "https"]);
    }

    #[test]
    fn a_request_must_have_one_valid_host() {
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
        let trusted = TrustedProxies::parse("10.0.0.0/8").unwrap();
        let peer = Peer { address: SocketAddr::new([9, 9, 9, 9].into(), 1), tls: false };
        let client = |uri: &str| Client::of(&Request::builder().uri(uri).body(()).unwrap(), peer, &trusted);
        assert_eq!(client("http://a:80").unwrap().host, "a:80");
        assert_eq!(client("a:80"), None);
        let connect = Request::builder().method(Method::CONNECT).uri("a:80").body(()).unwrap();
        assert_eq!(Client::of(&connect, peer, &trusted).unwrap().host, "a:80");
    }

    /// Entries of X-Forwarded-For, and their addresses. Those in 10.0.0.0/8 are trusted.
    const ENTRIES: [(&str, Option<&str>); 14] = [
        ("1.2.3.4", Some("1.2.3.4")),
        (" 1.2.3.4:80\t", Some("1.2.3.4")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("[2001:db8::1]", Some("2001:db8::1")),
        ("[2001:db8::1]:443", Some("2001:db8::1")),
        ("::ffff:1.2.3.4", Some("1.2.3.4")),
        ("10.9.9.9", Some("10.9.9.9")),
        ("10.9.9.9:1", Some("10.9.9.9")),
        ("::ffff:10.1.1.1", Some("10.1.1.1")),
        ("[::ffff:10.1.1.1]:80", Some("10.1.1.1")),
        ("unknown", None),
        ("", None),
        ("1.2.3", None),
        ("for=1.2.3.4", None),
    ];

    proptest::proptest! {
        #[test]
        fn the_client_is_the_first_untrusted_address_from_the_right(
            lists in proptest::collection::vec(proptest::collection::vec(0usize..ENTRIES.len(), 1..5), 0..3),
        ) {
            let entries: Vec<_> = lists.concat().into_iter().map(|entry| ENTRIES[entry].1).collect();
            let known: Vec<_> = entries.iter().rev().map_while(|entry| *entry).collect();
            let untrusted = known.iter().position(|entry| !entry.starts_with("10."));
            let last_known = known.last().copied().unwrap_or("10.0.0.1");
            let expected = untrusted.map_or(last_known, |at| known[at]);
            let texts: Vec<String> = lists
                .iter()
                .map(|list| list.iter().map(|entry| ENTRIES[*entry].0).collect::<Vec<_>>().join(","))
                .collect();
            let headers: Vec<_> = std::iter::once(("host", "a"))
                .chain(texts.iter().map(|text| ("x-forwarded-for", text.as_str())))
                .collect();
            let found = client("10.0.0.1", false, &headers).unwrap();
            proptest::prop_assert_eq!(found.address.to_string(), expected);
            proptest::prop_assert_eq!(found.is_forwarder, untrusted.is_some_and(|at| at + 1 < entries.len()));
            let direct = client("9.9.9.9", false, &headers).unwrap();
            proptest::prop_assert_eq!(direct.address.to_string(), "9.9.9.9");
            proptest::prop_assert_eq!(direct.is_forwarder, !lists.is_empty());
        }

        #[test]
        fn no_forwarded_header_is_invalid(
            name in proptest::sample::select(vec!["x-forwarded-for", "x-forwarded-proto", "forwarded"]),
            value in "[ -~\t]{0,80}",
        ) {
            let found = client("10.0.0.1", false, &[("host", "a"), (name, value.trim())]).unwrap();
            proptest::prop_assert!(["http", "https"].contains(&found.scheme) && found.host == "a");
        }
    }
}
