//! The PROXY protocol, versions 1 and 2: where a header ends, and which client it names.

use std::net::SocketAddr;

use ppp::{HeaderResult, PartialResult, v1, v2};

const MAX_V1_BYTES: usize = 107;
/// As in nginx. Load balancers append fields of some hundred bytes.
const MAX_V2_BYTES: usize = 4096;
const V2_BEGIN_BYTES: usize = 16;

/// The begin of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// No header, or a longer one than is accepted.
    Other,
    Invalid,
    /// `source` is None if it names no client: a check of the load balancer itself (LOCAL), or an unknown client.
    Header {
        length: usize,
        source: Option<SocketAddr>,
    },
}

/// Reads the header at the begin of these bytes. None if more bytes are needed.
pub fn begin_of(bytes: &[u8]) -> Option<Begin> {
    let is_v1 = prefixes(bytes, b"PROXY ");
    if !is_v1 && !prefixes(bytes, v2::PROTOCOL_PREFIX) {
        return Some(Begin::Other);
    }
    // ppp takes a line of version 1 that ends behind a blank for an invalid one.
    if is_v1 && !bytes.contains(&b'\n') {
        return (bytes.len() >= MAX_V1_BYTES).then_some(Begin::Other);
    }
    let parsed = HeaderResult::parse(bytes);
    let is_incomplete = parsed.is_incomplete();
    let begin = match parsed {
        HeaderResult::V1(Ok(header)) => {
            let source = match header.addresses {
                v1::Addresses::Tcp4(tcp) => Some((tcp.source_address, tcp.source_port).into()),
                v1::Addresses::Tcp6(tcp) => Some((tcp.source_address, tcp.source_port).into()),
                v1::Addresses::Unknown => None,
            };
            Begin::Header { length: header.header.len(), source }
        }
        HeaderResult::V2(Ok(header)) if header.len() <= MAX_V2_BYTES => {
            let source = match header.addresses {
                _ if header.command == v2::Command::Local => None,
                v2::Addresses::IPv4(ip) => Some((ip.source_address, ip.source_port).into()),
                v2::Addresses::IPv6(ip) => Some((ip.source_address, ip.source_port).into()),
                v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
            };
            Begin::Header { length: header.len(), source }
        }
        HeaderResult::V2(Ok(_)) => Begin::Other,
        HeaderResult::V2(Err(v2::ParseError::Partial(_, rest))) if V2_BEGIN_BYTES + rest > MAX_V2_BYTES => {
            Begin::Other
        }
        HeaderResult::V2(Err(_)) if is_incomplete => return None,
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Begin::Invalid,
    };
    Some(begin)
}

/// True if one of these is a prefix of the other.
fn prefixes(a: &[u8], b: &[u8]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b)
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

    /// The client that a header names, if there is a header, and one that is named.
    fn of(header: &[u8]) -> Option<Option<String>> {
        match begin_of(header) {
            Some(Begin::Header { source, .. }) => Some(source.map(|address| address.to_string())),
            _ => None,
        }
    }

    /// What is known first if the bytes arrive one by one.
    fn known(bytes: &[u8]) -> Option<Begin> {
        (0..=bytes.len()).find_map(|length| begin_of(&bytes[..length]))
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
            assert_eq!(begin_of(bad), Some(Begin::Invalid), "{bad:?}");
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
            let bytes = [header, request].concat();
            assert_eq!(known(&bytes), begin_of(&bytes));
            assert!(matches!(known(&bytes), Some(Begin::Header { length, .. }) if length == header.len()));
        }
    }

    #[test]
    fn what_is_no_header_is_refused_before_its_end() {
        for other in [&b"G"[..], b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n", b"\r\n\r\nGET"] {
            assert_eq!(begin_of(other), Some(Begin::Other));
        }
        let long = [b"PROXY UNKNOWN ", &[b'a'; 200][..], b"\r\n"].concat();
        assert_eq!((begin_of(&long[..106]), known(&long)), (None, Some(Begin::Other)));
        assert_eq!(begin_of(&long), Some(Begin::Invalid));
        let v2 = |length| v2(1, 0x11, &vec![0; length]);
        assert_eq!([begin_of(&v2(4081)), begin_of(&v2(4081)[..16])], [Some(Begin::Other); 2]);
        assert_eq!(begin_of(&v2(4080)[..16]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_begin_with_a_header_or_not(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), kind in 0usize..3) {
            let begin = [&b""[..], b"PROXY ", SIGNATURE][kind];
            let bytes = [begin, &bytes].concat();
            if let Some(Begin::Header { length, .. }) = known(&bytes) {
                proptest::prop_assert!(length <= bytes.len());
            }
        }
    }
}
