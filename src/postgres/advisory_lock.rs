//! Who holds an advisory lock of the database that is asked.

use tokio_postgres::{Client, Error};

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

/// The session that has the lock of this key, a bigint.
///
/// # Errors
/// The server's.
pub async fn holder(client: &Client, key: i64) -> Result<Option<LockHolder>, Error> {
    // The key's halves, as pg_locks shows an advisory lock of one bigint.
    let row = client
        .query_opt(
            "SELECT l.pid, coalesce(a.application_name, ''), host(a.client_addr),
                    extract(epoch FROM clock_timestamp() - a.backend_start)::int8,
                    (extract(epoch FROM clock_timestamp() - a.state_change) * 1000)::int8
             FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
               AND (l.classid::int8 << 32) + l.objid::int8 = $1
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             LIMIT 1",
            &[&key],
        )
        .await?;
    Ok(row.map(|row| LockHolder {
        pid: row.get(0),
        application: row.get(1),
        address: row.get(2),
        age_s: row.get(3),
        silent_ms: row.get(4),
    }))
}
