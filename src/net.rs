//! The steps of every client connection: name, address, encryption. Each has its own errors.

pub mod dial;
pub mod error;
pub mod resolve;
pub mod tls;
pub mod wire;

pub use self::error::{Class, ConnectError, Kind, Step};

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The address to connect to a local listener: loopback if it listens on all addresses. `[::]` listens on IPv4 too.
pub fn loopback_if_unspecified(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}
