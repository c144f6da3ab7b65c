//! The sessions of the database, which session blocks which, and how to end one.
//!
//! Our own sessions are recognised by their application name: `cauldron/…`, and `cauldron/<attempt>` for a step of
//! Frappe. Of other roles' sessions an unprivileged login sees little more than this name.

use std::time::Duration;

use tokio_postgres::{Client, Error, Row};

use super::version::major;

/// The view that lists sessions, for messages.
pub const LISTED_IN: &str = "pg_stat_activity";

/// A session that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedSession {
    pub backend: i32,
    pub application: String,
}

impl EndedSession {
    fn of(row: &Row) -> Self {
        Self { backend: row.get("pid"), application: row.get("application_name") }
    }
}

/// A session that is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignSession {
    pub role: String,
    pub application: String,
    pub address: String,
}

/// The state of one session of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSession {
    /// True if a statement runs and does not wait for a lock.
    pub is_working: bool,
    /// The sessions that block it, in words.
    pub waits_for: Option<String>,
}

/// A transaction that holds a lock on a table in public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLock {
    pub backend: i32,
    /// The virtual transaction id.
    pub transaction: String,
    pub role: String,
    pub application: String,
    /// True if it belongs to the current role.
    pub is_own_role: bool,
}

/// The server's process for this session. Behind a pooler it changes.
pub async fn backend(client: &Client) -> Result<i32, Error> {
    Ok(client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0))
}

/// Ends a session.
pub async fn end(client: &Client, backend: i32) -> Result<(), Error> {
    client.execute("SELECT pg_terminate_backend($1)", &[&backend]).await.map(drop)
}

/// Ends all other sessions of the present role.
pub async fn end_own(client: &Client) -> Result<(), Error> {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE usename = current_user AND pid <> pg_backend_pid()";
    client.query(sql, &[]).await.map(drop)
}

/// The application names in the whole cluster that begin with this. Every login sees them.
pub async fn applications(client: &Client, prefix: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT application_name FROM pg_stat_activity WHERE starts_with(application_name, $1)";
    Ok(client.query(sql, &[&prefix]).await?.iter().map(|row| row.get(0)).collect())
}

/// The statement with which an operator ends a session.
pub fn statement_to_end(backend: i32) -> String {
    format!("SELECT pg_terminate_backend({backend})")
}

/// Ends the sessions of all steps except those of this attempt. Steps name their sessions after their attempt; no other
/// session of ours has such a name.
pub async fn end_other_steps(client: &Client, attempt: &str) -> Result<Vec<EndedSession>, Error> {
    let sql = "SELECT pid, application_name, pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user
          AND application_name ~ '^cauldron/[a-z0-9]{20}$' AND application_name <> 'cauldron/' || $1::text";
    Ok(client.query(sql, &[&attempt]).await?.iter().map(EndedSession::of).collect())
}

/// Ends the sessions of this role that have been idle in a transaction for `idle_for`; never one of a step, of the
/// leader or of a backup.
pub async fn end_idle_in_transaction(
    client: &Client,
    idle_for: Duration,
) -> Result<Vec<EndedSession>, Error> {
    let sql = "SELECT pid, application_name, pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
          AND state LIKE 'idle in transaction%'
          AND state_change < clock_timestamp() - make_interval(secs => $1)
          AND application_name !~ '^cauldron/([a-z0-9]{20}|lock|backup)$'";
    Ok(client.query(sql, &[&idle_for.as_secs_f64()]).await?.iter().map(EndedSession::of).collect())
}

/// The sessions of an attempt's step.
pub async fn of_step(client: &Client, attempt: &str) -> Result<Vec<StepSession>, Error> {
    let sql = "SELECT state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock' AS is_working,
          (SELECT string_agg(DISTINCT concat('session ', b.pid, ' of role ', b.usename,
                  ' (' || nullif(b.application_name, '') || ')', ', ' || b.state), '; ')
           FROM unnest(pg_blocking_pids(w.pid)) AS blocker JOIN pg_stat_activity b ON b.pid = blocker
           WHERE b.application_name <> w.application_name) AS waits_for
        FROM pg_stat_activity w WHERE w.application_name = 'cauldron/' || $1::text";
    let working = |row: &Row| StepSession {
        is_working: row.get::<_, Option<bool>>("is_working").unwrap_or_default(),
        waits_for: row.get("waits_for"),
    };
    Ok(client.query(sql, &[&attempt]).await?.iter().map(working).collect())
}

/// The locks on tables in public: those of the current role's active sessions, and all of other roles, whose state only
/// a privileged login may see.
pub async fn table_locks(client: &Client) -> Result<Vec<TableLock>, Error> {
    let sql = "SELECT DISTINCT l.pid, l.virtualtransaction, a.usename::text AS role,
               coalesce(a.application_name, '') AS application, a.usename = current_user AS is_own_role
        FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = 'public'::regnamespace
        JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
          AND (a.usename <> current_user OR (a.state = 'active' AND a.application_name !~ '^cauldron/'))
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let table_lock = |row: &Row| TableLock {
        backend: row.get("pid"),
        transaction: row.get("virtualtransaction"),
        role: row.get("role"),
        application: row.get("application"),
        is_own_role: row.get("is_own_role"),
    };
    Ok(client.query(sql, &[]).await?.iter().map(table_lock).collect())
}

/// The sessions of all roles except those of our pods. The server's own sessions have no role and do not count.
pub async fn foreign_sessions(client: &Client) -> Result<Vec<ForeignSession>, Error> {
    let sql =
        "SELECT usename::text AS role, application_name, coalesce(client_addr::text, 'local') AS address
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL
          AND application_name NOT LIKE 'cauldron%' ORDER BY 1, 2";
    let session = |row: &Row| ForeignSession {
        role: row.get("role"),
        application: row.get("application_name"),
        address: row.get("address"),
    };
    Ok(client.query(sql, &[]).await?.iter().map(session).collect())
}

/// All other sessions, by application or role, in words. Empty if there are none.
pub async fn connected(client: &Client) -> Result<String, Error> {
    let sql =
        "SELECT coalesce(string_agg(DISTINCT coalesce(nullif(application_name, ''), usename, '?'), ', '), '')
        FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// PGOPTIONS for a session that waits no longer than `lock_timeout` for a lock, notices during a statement that its
/// client has disconnected (client_connection_check_interval, since PostgreSQL 14), and may take any time, whatever the
/// role or the database has for its web requests. pg_dump sets the same.
pub fn options(server_version: &str, lock_timeout: Duration) -> String {
    let is_since = |first| major(server_version).is_some_and(|major| major >= first);
    let mut options = format!(
        "-c lock_timeout={} -c statement_timeout=0 -c idle_in_transaction_session_timeout=0",
        lock_timeout.as_millis()
    );
    if is_since(14) {
        options.push_str(" -c idle_session_timeout=0 -c client_connection_check_interval=2000");
    }
    if is_since(17) {
        options.push_str(" -c transaction_timeout=0");
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_an_old_server_does_not_know_is_not_set() {
        let minute = Duration::from_secs(60);
        let oldest = "-c lock_timeout=60000 -c statement_timeout=0 -c idle_in_transaction_session_timeout=0";
        assert_eq!(options("13.9", minute), oldest);
        let of_15 = options("15.8 (Debian 15.8-0+deb12u1)", minute);
        assert!(
            of_15.contains("client_connection_check_interval") && !of_15.contains("-c transaction_timeout")
        );
        assert!(options("17.2", minute).contains("-c transaction_timeout=0"));
    }
}
