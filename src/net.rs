//! The steps that every client connection takes: name, address, encryption. Each fails as itself.

pub mod dial;
pub mod error;
pub mod tls;
pub mod wire;

pub use self::error::{Class, ConnectError, Kind, Step};
