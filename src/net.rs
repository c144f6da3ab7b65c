//! The steps that every client connection takes: name, address, encryption. Each fails as itself.

pub mod dial;
pub mod error;
pub mod tls;
pub mod wire;

pub use self::error::{Class, ConnectError, Kind, Step};

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Who listens on every address is asked on the loopback one; `[::]` listens on IPv4 too.
pub fn loopback_if_unspecified(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}
