//! The one place that opens Redis connections.

mod connect;
mod error;
mod link;
mod login;

pub use self::connect::{Connection, Options, Server};
pub use self::link::{CurrentServer, Link};
