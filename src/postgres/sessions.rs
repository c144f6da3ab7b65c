//! Who is connected to the database, who keeps whom waiting, and ending a session.
//!
//! Our own sessions are known by their application's name: `cauldron/…`, and a step of Frappe's is
//! `cauldron/<its attempt>`. Of other roles' sessions it is all that everybody may see.

use std::time::Duration;

use tokio_postgres::{Client, Error, Row};

use super::version::major;

/// Where an operator sees sessions.
pub const LISTED_IN: &str = "pg_stat_activity";

/// A session that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub backend: i32,
    pub application: String,
}

impl Ended {
    fn of(row: &Row) -> Self {
        Self { backend: row.get("pid"), application: row.get("application_name") }
    }
}

/// A session that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    pub role: String,
    pub application: String,
    pub address: String,
}

/// What a session of a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Working {
    /// A statement runs, and waits for no lock.
    pub is_working: bool,
    /// Who keeps it waiting for a lock, in words.
    pub waits_for: Option<String>,
}

/// A transaction that has a lock on a table in public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnTables {
    pub backend: i32,
    /// What the server calls the transaction.
    pub transaction: String,
    pub role: String,
    pub application: String,
    /// Of the role that asks.
    pub is_own_role: bool,
}

/// The server's process for this session. Another one than before where a pooler stands between.
pub async fn backend(client: &Client) -> Result<i32, Error> {
    Ok(client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0))
}

/// Has the server end a session.
pub async fn end(client: &Client, backend: i32) -> Result<(), Error> {
    client.execute("SELECT pg_terminate_backend($1)", &[&backend]).await.map(drop)
}

/// The same, as an operator says it.
pub fn statement_to_end(backend: i32) -> String {
    format!("SELECT pg_terminate_backend({backend})")
}

/// Ends every session of a step but those of this attempt. Steps name their sessions after their attempt; nobody else
/// of ours has such a name.
pub async fn end_steps_but(client: &Client, attempt: &str) -> Result<Vec<Ended>, Error> {
    let sql = "SELECT pid, application_name, pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user
          AND application_name ~ '^cauldron/[a-z0-9]{20}$' AND application_name <> 'cauldron/' || $1::text";
    Ok(client.query(sql, &[&attempt]).await?.iter().map(Ended::of).collect())
}

/// Ends the sessions of this role that have done nothing for so long with a transaction open; never one of a step, of the
/// leader or of a backup.
pub async fn end_idle_in_transaction(client: &Client, idle_for: Duration) -> Result<Vec<Ended>, Error> {
    let sql = "SELECT pid, application_name, pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
          AND state LIKE 'idle in transaction%'
          AND state_change < clock_timestamp() - make_interval(secs => $1)
          AND application_name !~ '^cauldron/([a-z0-9]{20}|lock|backup)$'";
    Ok(client.query(sql, &[&idle_for.as_secs_f64()]).await?.iter().map(Ended::of).collect())
}

/// The sessions of one attempt's step.
pub async fn of_step(client: &Client, attempt: &str) -> Result<Vec<Working>, Error> {
    let sql = "SELECT state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock' AS is_working,
          (SELECT string_agg(DISTINCT concat('session ', b.pid, ' of role ', b.usename,
                  ' (' || nullif(b.application_name, '') || ')', ', ' || b.state), '; ')
           FROM unnest(pg_blocking_pids(w.pid)) AS blocker JOIN pg_stat_activity b ON b.pid = blocker
           WHERE b.application_name <> w.application_name) AS waits_for
        FROM pg_stat_activity w WHERE w.application_name = 'cauldron/' || $1::text";
    let working = |row: &Row| Working {
        is_working: row.get::<_, Option<bool>>("is_working").unwrap_or_default(),
        waits_for: row.get("waits_for"),
    };
    Ok(client.query(sql, &[&attempt]).await?.iter().map(working).collect())
}

/// Who has a lock on a table in public: of another role whoever it is, since what they do only the privileged may see;
/// of our own role who works.
pub async fn on_tables(client: &Client) -> Result<Vec<OnTables>, Error> {
    let sql = "SELECT DISTINCT l.pid, l.virtualtransaction, a.usename::text AS role,
               coalesce(a.application_name, '') AS application, a.usename = current_user AS is_own_role
        FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = 'public'::regnamespace
        JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
          AND (a.usename <> current_user OR (a.state = 'active' AND a.application_name !~ '^cauldron/'))
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let on_tables = |row: &Row| OnTables {
        backend: row.get("pid"),
        transaction: row.get("virtualtransaction"),
        role: row.get("role"),
        application: row.get("application"),
        is_own_role: row.get("is_own_role"),
    };
    Ok(client.query(sql, &[]).await?.iter().map(on_tables).collect())
}

/// Everybody's sessions but those of our pods. The server's own belong to nobody.
pub async fn strangers(client: &Client) -> Result<Vec<Stranger>, Error> {
    let sql =
        "SELECT usename::text AS role, application_name, coalesce(client_addr::text, 'local') AS address
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL
          AND application_name NOT LIKE 'cauldron%' ORDER BY 1, 2";
    let stranger = |row: &Row| Stranger {
        role: row.get("role"),
        application: row.get("application_name"),
        address: row.get("address"),
    };
    Ok(client.query(sql, &[]).await?.iter().map(stranger).collect())
}

/// Everybody who is connected but us, by application or role, in words. Empty where nobody is.
pub async fn connected(client: &Client) -> Result<String, Error> {
    let sql =
        "SELECT coalesce(string_agg(DISTINCT coalesce(nullif(application_name, ''), usename, '?'), ', '), '')
        FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// PGOPTIONS of a session that waits no longer than this for a lock, and notices that its client is gone while it waits
/// (client_connection_check_interval came with PostgreSQL 14).
pub fn options(server_version: &str, lock_timeout: Duration) -> String {
    let is_known = major(server_version).is_some_and(|major| major >= 14);
    let check = if is_known { " -c client_connection_check_interval=2000" } else { "" };
    format!("-c lock_timeout={}{check}", lock_timeout.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_old_server_does_not_know_is_not_set() {
        let minute = Duration::from_secs(60);
        assert_eq!(options("13.9", minute), "-c lock_timeout=60000");
        assert!(options("15.8 (Debian 15.8-0+deb12u1)", minute).contains("client_connection_check_interval"));
    }
}
