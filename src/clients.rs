//! Who asks: the client's address and scheme, and whether its host and its proxy are known.

pub mod address;
pub mod foreign_host;
pub mod proxy_header;
pub mod unlisted_host;
pub mod unlisted_proxy;
