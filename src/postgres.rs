//! The one place that opens PostgreSQL connections.

mod connect;
pub mod error;
mod tls;

pub use self::connect::{Connection, Options, Server, connect, maintenance_databases};
