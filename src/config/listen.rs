//! Addresses to listen on.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::reader::Reader;

/// An address to listen on. The default address falls back to IPv4 if the kernel has no IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    pub address: SocketAddr,
    pub ipv4_fallback: bool,
}

pub fn read(reader: &mut Reader<'_>, name: &'static str, port: u16) -> Option<Listen> {
    if reader.given(name).is_none() {
        return Some(Listen {
            address: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port),
            ipv4_fallback: true,
        });
    }
    read_given(reader, name)
}

/// Reads an address that has no default.
pub fn read_given(reader: &mut Reader<'_>, name: &'static str) -> Option<Listen> {
    let given = reader.given(name);
    let parse = |text: &str| {
        text.parse::<SocketAddr>()
            .map(|address| Listen { address, ipv4_fallback: false })
            .map_err(|_| format!("`{text}` is not an address"))
    };
    reader.parsed(name, given, parse, "write address:port, such as 0.0.0.0:8000 or [::]:8000")
}

/// Reads the health port's address. `off` disables the port: Some(None).
pub fn read_health_addr(reader: &mut Reader<'_>) -> Option<Option<Listen>> {
    if reader.given("CAULDRON_HEALTH_ADDR").is_some_and(|given| given.value == "off") {
        return Some(None);
    }
    read(reader, "CAULDRON_HEALTH_ADDR", 9180).map(Some)
}
