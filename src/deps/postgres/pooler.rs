//! Whether a pooler stands between us and the server, and whether it pools by transaction.
//!
//! A pooler makes up the backend key that it announces at login, since one of its clients has no
//! backend of its own. What it announces is therefore not what `pg_backend_pid()` says.

use tokio_postgres::SimpleQueryMessage;

use crate::net::{ConnectError, Kind, Step};
use crate::postgres::Connection;

/// One round trip.
pub async fn stands_between(connection: &Connection) -> Result<bool, ConnectError> {
    let real = backend_pid(connection, "SELECT pg_backend_pid()").await.map_err(|error| {
        let cause = format!("the server stopped answering: {error}");
        ConnectError::new(Step::Version, Kind::Lost, cause, "look at the server's own log")
    })?;
    let announced = connection.announced_pid().await;
    Ok(announced.is_some() && real.is_some() && announced != real)
}

/// Two sessions that both stay open have one backend between them only where it goes from one to
/// the other by transaction.
pub async fn shares_a_backend(first: &Connection, second: &Connection) -> bool {
    let one = backend_pid(first, "SELECT pg_backend_pid()").await.ok().flatten();
    let other = backend_pid(second, "BEGIN; SELECT pg_backend_pid(); COMMIT").await.ok().flatten();
    one.is_some() && one == other
}

/// What there is to say of a pooler; without a second session its kind is not known.
pub async fn warning(first: &Connection, second: Option<&Connection>) -> String {
    let shared = match second {
        Some(second) => shares_a_backend(first, second).await,
        None => false,
    };
    let pools = if shared { "pools by transaction" } else { "may pool by transaction" };
    format!(
        "DB_HOST is a pooler that {pools}: locks, LISTEN and settings do not last there; \
         set CAULDRON_DB_DIRECT_HOST to the server itself"
    )
}

async fn backend_pid(connection: &Connection, sql: &str) -> Result<Option<i32>, tokio_postgres::Error> {
    let messages = connection.simple_query(sql).await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    }))
}
