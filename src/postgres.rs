//! The one place that opens PostgreSQL connections.

pub mod advisory_lock;
mod connect;
pub mod error;
mod session;
pub mod sql;
mod tls;

pub use self::connect::{Options, Server, connect, maintenance_databases};
pub use self::session::Connection;
