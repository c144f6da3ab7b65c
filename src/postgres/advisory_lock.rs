//! Advisory locks: a number within one database. A lock ends with the session that holds it.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::sql::has_code;

/// The locks of this program, each the same number in every database: an advisory lock belongs to its database. Frappe
/// takes locks of its own there from version 17 on (docs/frappe-contract.md#after-version-16): numbers that it makes from
/// the digest of a text, and so never these by intent. All begin with "caul", so that `pg_locks` shows whose they are.
pub mod key {
    /// One pod works on a site.
    pub const BOOTSTRAP: i64 = 0x6361_756c_626f_6f74; // "caulboot"
    /// One pod creates role and database; in the maintenance database.
    pub const PROVISION: i64 = 0x6361_756c_7072_6f76; // "caulprov"
    /// Shared by backups; a migration or a restore takes it alone.
    pub const BACKUP: i64 = 0x6361_756c_6263_6b70; // "caulbckp"
    /// One scheduler ticks.
    pub const SCHEDULER: i64 = 0x6361_756c_7363_6865; // "caulsche"
}

/// The session that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    pub pid: i32,
    pub application: String,
    /// None over a unix socket, and if the server hides it.
    pub address: Option<String>,
    pub age_s: Option<i64>,
    /// The time since its last query; None if the server does not track it.
    pub silent_ms: Option<i64>,
}

/// Tries to take the lock. Returns true if this session holds it now.
///
/// # Errors
/// Any error of the server.
pub async fn try_take(client: &Client, key: i64) -> Result<bool, Error> {
    Ok(client.query_one("SELECT pg_try_advisory_lock($1)", &[&key]).await?.get(0))
}

/// Waits for the lock. Returns false if another session held it for the whole time.
///
/// # Errors
/// Any other error of the server.
pub async fn take_within(client: &Client, key: i64, limit: Duration) -> Result<bool, Error> {
    let limit_ms = limit.as_millis();
    let sql =
        format!("SET lock_timeout = '{limit_ms}ms'; SELECT pg_advisory_lock({key}); RESET lock_timeout");
    match client.batch_execute(&sql).await {
        Err(error) if has_code(&error, &SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
        taken => taken.map(|()| true),
    }
}

/// Tries to take the lock together with others who share it. Returns true if this session shares it now.
///
/// # Errors
/// Any error of the server.
pub async fn try_share(client: &Client, key: i64) -> Result<bool, Error> {
    Ok(client.query_one("SELECT pg_try_advisory_lock_shared($1)", &[&key]).await?.get(0))
}

/// Releases a lock that was taken with [`try_take`].
///
/// # Errors
/// Any error of the server.
pub async fn release(client: &Client, key: i64) -> Result<(), Error> {
    client.execute("SELECT pg_advisory_unlock($1)", &[&key]).await.map(drop)
}

/// Releases every lock of this session.
///
/// # Errors
/// Any error of the server.
pub async fn release_all(client: &Client) -> Result<(), Error> {
    client.batch_execute("SELECT pg_advisory_unlock_all()").await
}

/// The session that holds the lock.
///
/// # Errors
/// Any error of the server.
pub async fn holder(client: &Client, key: i64) -> Result<Option<LockHolder>, Error> {
    // pg_locks shows the key of an advisory lock, one bigint, in two halves.
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

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn our_locks_differ_and_are_recognized() {
        let keys = [key::BOOTSTRAP, key::PROVISION, key::BACKUP, key::SCHEDULER];
        let texts = keys.map(|key| String::from_utf8(key.to_be_bytes().to_vec()).unwrap());
        assert_eq!(texts, ["caulboot", "caulprov", "caulbckp", "caulsche"]);
    }
}
