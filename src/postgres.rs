//! The one place that opens PostgreSQL connections.

pub mod advisory_lock;
mod connect;
pub mod error;
mod session;
mod tls;

pub use self::connect::{Options, Server, connect, maintenance_databases};
pub use self::session::Connection;
