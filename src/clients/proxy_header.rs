//! The PROXY protocol, versions 1 and 2: how long a header is, and which client it names.

use std::net::SocketAddr;

use ppp::{HeaderResult, PartialResult};

/// The shortest header: `PROXY UNKNOWN` with its line end. A header of version 2 is longer.
pub const MIN_BYTES: usize = 15;
const MAX_V1_BYTES: usize = 107;
const MIN_V2_BYTES: usize = 16;
/// As in nginx. Load balancers append fields of some hundred bytes.
const MAX_V2_BYTES: usize = 4096;

/// What a header that was not read completely needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// The header has this many bytes, or more.
    Bytes(usize),
    Nothing,
}

/// How many bytes the header has at least, after these. None if it is none.
pub fn needed(begin: &[u8]) -> Option<Needed> {
    let is_v1 = prefixes(begin, b"PROXY ");
    if !is_v1 && !prefixes(begin, ppp::v2::PROTOCOL_PREFIX) {
        return None;
    }
    let length = match (is_v1, begin.len()) {
        (_, 0..MIN_BYTES) => MIN_BYTES,
        // A line has no length, so its rest is read byte by byte.
        (true, length) if begin.ends_with(b"\r\n") => length,
        (true, length) => length + 1,
        (false, 0..MIN_V2_BYTES) => MIN_V2_BYTES,
        (false, _) => MIN_V2_BYTES + usize::from(u16::from_be_bytes([begin[14], begin[15]])),
    };
    let max = if is_v1 { MAX_V1_BYTES } else { MAX_V2_BYTES };
    match length {
        length if length > max => None,
        length if length == begin.len() => Some(Needed::Nothing),
        length => Some(Needed::Bytes(length)),
    }
}

/// True if one of these is a prefix of the other.
fn prefixes(a: &[u8], b: &[u8]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// The client's address in a complete header. None if it names none: a check of the load balancer itself (LOCAL), or an
/// unknown client.
pub fn source(header: &[u8]) -> Result<Option<SocketAddr>, &'static str> {
    use ppp::{v1, v2};
    let parsed = HeaderResult::parse(header);
    if parsed.is_incomplete() {
        return Err("incomplete PROXY header");
    }
    Ok(match parsed {
        HeaderResult::V1(Ok(header)) => match header.addresses {
            v1::Addresses::Tcp4(tcp) => Some((tcp.source_address, tcp.source_port).into()),
            v1::Addresses::Tcp6(tcp) => Some((tcp.source_address, tcp.source_port).into()),
            v1::Addresses::Unknown => None,
        },
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Local => None,
        HeaderResult::V2(Ok(header)) => match header.addresses {
            v2::Addresses::IPv4(ip) => Some((ip.source_address, ip.source_port).into()),
            v2::Addresses::IPv6(ip) => Some((ip.source_address, ip.source_port).into()),
            v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
        },
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => return Err("invalid PROXY header"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    /// A header of version 2 with this command, family and payload.
    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[0x20 | command, family], &length, payload].concat()
    }

    const IPV4: &[u8] = &[203, 0, 113, 9, 10, 0, 0, 1, 0x30, 0x39, 0, 80];

    fn of(header: &[u8]) -> Option<Option<String>> {
        source(header).ok().map(|source| source.map(|address| address.to_string()))
    }

    /// The length at which the header ends if its bytes arrive one by one, followed by others.
    fn end(bytes: &[u8]) -> Option<usize> {
        (0..=bytes.len()).find_map(|length| match needed(&bytes[..length]) {
            Some(Needed::Nothing) => Some(Some(length)),
            Some(Needed::Bytes(_)) => None,
            None => Some(None),
        })?
    }

    #[test]
    fn both_versions_name_the_client() {
        let named = |address: &str| Some(Some(address.to_string()));
        assert_eq!(of(b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 80\r\n"), named("203.0.113.9:12345"));
        assert_eq!(of(b"PROXY TCP6 2001:db8::1 ::1 1 80\r\n"), named("[2001:db8::1]:1"));
        assert_eq!(of(&v2(1, 0x11, IPV4)), named("203.0.113.9:12345"));
        // With a field of a load balancer.
        assert_eq!(
            of(&v2(1, 0x11, &[IPV4, &[0xea, 0, 3, 1, b'v', b'p']].concat())),
            named("203.0.113.9:12345")
        );
        for unnamed in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n"] {
            assert_eq!(of(unnamed), Some(None));
        }
        assert_eq!(of(&v2(0, 0x00, &[])), Some(None));
        assert_eq!(of(&v2(0, 0x11, IPV4)), Some(None));
        assert_eq!(of(&v2(1, 0x00, &[])), Some(None));
    }

    #[test]
    fn an_invalid_header_names_nobody() {
        for bad in [
            &b"PROXY TCP4 203.0.113.9 10.0.0.1 12345\r\n"[..],
            b"PROXY TCP4 2001:db8::1 ::1 1 80\r\n",
            b"PROXY TCP4 203.0.113.9 10.0.0.1 123456 80\r\n",
            b"PROXY TCP4  203.0.113.9 10.0.0.1 1 80\r\n",
            b"PROXY UDP4 203.0.113.9 10.0.0.1 1 80\r\n",
            &v2(1, 0x11, &IPV4[..11]),
            &v2(2, 0x11, IPV4),
            &v2(1, 0x41, IPV4),
        ] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_header_ends_where_the_request_begins() {
        let request = b"GET / HTTP/1.1\r\n\r\n";
        for header in [
            &b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 80\r\n"[..],
            b"PROXY UNKNOWN\r\n",
            &v2(1, 0x11, IPV4),
            &v2(0, 0x00, &[]),
            &v2(1, 0x11, &[IPV4, &[0xea, 0x0f, 0x00], &[1; 3840]].concat()),
        ] {
            assert_eq!(end(&[header, request].concat()), Some(header.len()));
        }
    }

    #[test]
    fn what_is_no_header_is_refused_before_its_end() {
        assert_eq!(needed(b"G"), None);
        assert_eq!(needed(b"\x16\x03\x01"), None);
        assert_eq!(needed(b"PRI * HTTP/2.0\r\n"), None);
        assert_eq!(needed(b"\r\n\r\nGET"), None);
        let long = [b"PROXY UNKNOWN ", &[b'a'; 200][..], b"\r\n"].concat();
        assert_eq!(
            (end(&long), needed(&long[..106]), needed(&long[..107])),
            (None, Some(Needed::Bytes(107)), None)
        );
        assert_eq!(needed(&v2(1, 0x11, &[0; 4081])[..16]), None);
        assert_eq!(needed(&v2(1, 0x11, &[0; 4080])[..16]), Some(Needed::Bytes(4096)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_or_are_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), kind in 0usize..3) {
            let begin = [&b""[..], b"PROXY ", SIGNATURE][kind];
            let bytes = [begin, &bytes].concat();
            if let Some(length) = end(&bytes) {
                let _ = source(&bytes[..length]);
            }
        }
    }
}
