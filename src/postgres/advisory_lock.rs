//! Locks that are a number, of one database, and end with the session that holds them.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::sql::has_code;

/// A session that has the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    pub pid: i32,
    pub application: String,
    /// None over a unix socket, and where the server keeps it to itself.
    pub address: Option<String>,
    pub age_s: Option<i64>,
    /// Since its last query; unknown where the server does not track them.
    pub silent_ms: Option<i64>,
}

/// Takes the lock if nobody has it. True where it is ours now.
///
/// # Errors
/// The server's.
pub async fn try_take(client: &Client, key: i64) -> Result<bool, Error> {
    Ok(client.query_one("SELECT pg_try_advisory_lock($1)", &[&key]).await?.get(0))
}

/// Waits for the lock. False where another session kept it for so long.
///
/// # Errors
/// The server's.
pub async fn take_within(client: &Client, key: i64, limit: Duration) -> Result<bool, Error> {
    let limit_ms = limit.as_millis();
    let sql =
        format!("SET lock_timeout = '{limit_ms}ms'; SELECT pg_advisory_lock({key}); RESET lock_timeout");
    match client.batch_execute(&sql).await {
        Err(error) if has_code(&error, &SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
        taken => taken.map(|()| true),
    }
}

/// Lets go of every lock of this session.
///
/// # Errors
/// The server's.
pub async fn release_all(client: &Client) -> Result<(), Error> {
    client.batch_execute("SELECT pg_advisory_unlock_all()").await
}

/// The session that has the lock.
///
/// # Errors
/// The server's.
pub async fn holder(client: &Client, key: i64) -> Result<Option<LockHolder>, Error> {
    // The key's halves, as pg_locks shows an advisory lock of one bigint.
    let row = client
        .query_opt(
            "SELECT l.pid, coalesce(a.application_name, '') AS application, host(a.client_addr) AS address,
                    extract(epoch FROM clock_timestamp() - a.backend_start)::int8 AS age_s,
                    (extract(epoch FROM clock_timestamp() - a.state_change) * 1000)::int8 AS silent_ms
             FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
               AND (l.classid::int8 << 32) + l.objid::int8 = $1
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             LIMIT 1",
            &[&key],
        )
        .await?;
    Ok(row.map(|row| LockHolder {
        pid: row.get("pid"),
        application: row.get("application"),
        address: row.get("address"),
        age_s: row.get("age_s"),
        silent_ms: row.get("silent_ms"),
    }))
}
