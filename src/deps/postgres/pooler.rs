//! Detects a pooler in front of the server, and whether it pools by transaction.
//!
//! A pooler invents the backend key that it announces at login, since a client of it has no backend of its own.
//! So the announced PID differs from `pg_backend_pid()`.

use tokio_postgres::SimpleQueryMessage;

use crate::net::{ConnectError, Kind, Step};
use crate::postgres::Connection;

/// True if the connection goes through a pooler. Takes one round trip.
pub async fn detect(connection: &Connection) -> Result<bool, ConnectError> {
    let real = backend_pid(connection, "SELECT pg_backend_pid()").await.map_err(|error| {
        let cause = format!("the server stopped answering: {error}");
        ConnectError::new(Step::Version, Kind::Lost, cause, "check the server's log")
    })?;
    let announced = connection.announced_pid().await;
    Ok(announced.is_some() && real.is_some() && announced != real)
}

/// True if two open sessions share one backend, which only happens if the pooler pools by transaction.
pub async fn share_backend(first: &Connection, second: &Connection) -> bool {
    let one = backend_pid(first, "SELECT pg_backend_pid()").await.ok().flatten();
    let other = backend_pid(second, "BEGIN; SELECT pg_backend_pid(); COMMIT").await.ok().flatten();
    one.is_some() && one == other
}

/// The warning about a pooler; without a second session its pool mode is unknown.
pub async fn warning(first: &Connection, second: Option<&Connection>) -> String {
    let shared = match second {
        Some(second) => share_backend(first, second).await,
        None => false,
    };
    let pools = if shared { "pools by transaction" } else { "may pool by transaction" };
    format!(
        "DB_HOST is a pooler that {pools}: advisory locks, LISTEN and session settings do not work through it; \
         set CAULDRON_DB_DIRECT_HOST to the server"
    )
}

async fn backend_pid(connection: &Connection, sql: &str) -> Result<Option<i32>, tokio_postgres::Error> {
    let messages = connection.simple_query(sql).await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    }))
}
