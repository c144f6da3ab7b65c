//! The one place that opens Redis connections.

mod connect;
mod error;
mod login;

pub use self::connect::{Connection, Options, Server};
