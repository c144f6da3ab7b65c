//! Our state in the site's database: `public."__cauldron_state"`, one row, owned by the site's role. Its columns are
//! in `schema`.
//!
//! A PostgreSQL schema of our own would need a right that valid logins lack, and one that an administrator owns breaks
//! pg_dump (docs/design.md#state-in-the-site-database). The row names the database in which it was written: after a
//! restore or a clone it names another one, and does not count. Times are the database's.

use tokio_postgres::{Client, Error};

use super::database_id::{self, DatabaseId, WRITTEN_HERE};
use super::gate::Gate;
use super::phase::SitePhase;
use super::schema;
use crate::frappe::database::LANDMARK;
use crate::postgres::{advisory_lock, notifications};

/// The channel of the site's database on which waiting pods are woken.
const CHANNEL: &str = "cauldron";

/// Subscribes a session to changes. Behind a transaction pooler no notification arrives, so waiting pods also poll.
pub async fn listen(client: &Client) {
    notifications::listen(client, CHANNEL).await;
}

/// The site's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub phase: SitePhase,
    pub attempt: Option<String>,
    pub install_id: String,
    pub instance: Option<String>,
    pub holder: Option<String>,
    /// The backend of the session that holds the lock, while the holder leads.
    pub backend_pid: Option<i32>,
    /// None if no pod ever led.
    pub heartbeat_age_ms: Option<i64>,
    /// The holder's activity at its last heartbeat.
    pub doing: Option<String>,
    pub last_error: Option<String>,
    /// The last migration of the present tables.
    pub fingerprint: Option<String>,
    pub gate: Gate,
    /// True if fingerprint and gate were recorded for the present tables; otherwise they do not count.
    pub matches_tables: bool,
}

/// The site's row, if it exists and was written in this database.
pub async fn read(client: &Client, site: &str) -> Result<Option<State>, Error> {
    Ok(read_all(client, site).await?.own)
}

/// The contents of our table, seen from one site.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The site's row, written in this database.
    pub own: Option<State>,
    /// The installation of a row of the site that was written in another database: it came with a
    /// backup, or with a copy.
    pub history: Option<String>,
    /// Another site whose creation in this database was begun or finished: the database is taken.
    pub other_site: Option<String>,
    pub database: DatabaseId,
    /// The version of the record's schema; 0 without a record.
    pub schema: i32,
}

/// Reads all rows.
pub async fn read_all(client: &Client, site: &str) -> Result<Records, Error> {
    let mut records = Records { schema: schema::version(client).await?, ..Records::default() };
    if records.schema == 0 {
        return Ok(records);
    }
    records.database = database_id::read(client).await?;
    let system = &records.database.system_identifier;
    let sql = format!(
        r#"SELECT site, {WRITTEN_HERE} AS is_written_here, phase, attempt, install_id, instance, holder, backend_pid,
                  (extract(epoch FROM clock_timestamp() - beat) * 1000)::int8 AS heartbeat_age_ms, doing, last_error,
                  fingerprint, gate, landmark IS NOT DISTINCT FROM {LANDMARK} AS matches_tables
           FROM public."__cauldron_state" ORDER BY site"#
    );
    for row in client.query(&sql, &[system]).await? {
        let matches_tables: bool = row.get("matches_tables");
        let gate = Gate::parse(row.get("gate"));
        let state = State {
            phase: SitePhase::parse(row.get("phase")),
            attempt: row.get("attempt"),
            install_id: row.get("install_id"),
            instance: row.get("instance"),
            holder: row.get("holder"),
            backend_pid: row.get("backend_pid"),
            heartbeat_age_ms: row.get("heartbeat_age_ms"),
            doing: row.get("doing"),
            last_error: row.get("last_error"),
            fingerprint: row.get::<_, Option<String>>("fingerprint").filter(|_| matches_tables),
            gate: if matches_tables { gate } else { gate.after_a_restore() },
            matches_tables,
        };
        let of_site: String = row.get("site");
        match (of_site == site, row.get("is_written_here")) {
            (true, true) => records.own = Some(state),
            (true, false) => records.history = Some(state.install_id),
            (false, true) if state.phase != SitePhase::Idle => {
                records.other_site.get_or_insert(of_site);
            }
            (false, _) => {}
        }
    }
    Ok(records)
}

/// Records the new leader. A row of another database (a restored copy) is replaced.
pub async fn claim(
    client: &Client,
    site: &str,
    install_id: &str,
    instance: Option<&str>,
    holder: &str,
) -> Result<(), Error> {
    let system = database_id::system_identifier(client).await;
    client
        .execute(
            &format!(r#"DELETE FROM public."__cauldron_state" WHERE site = $2 AND NOT ({WRITTEN_HERE})"#),
            &[&system, &site],
        )
        .await?;
    client
        .execute(
            r#"DELETE FROM public."__cauldron_fingerprint" AS f WHERE site = $1
               AND NOT EXISTS (SELECT FROM public."__cauldron_state" AS s WHERE s.site = f.site)"#,
            &[&site],
        )
        .await?;
    client
        .execute(
            r#"INSERT INTO public."__cauldron_state" AS s
                   (site, database_oid, system_identifier, install_id, instance, phase, holder, backend_pid, beat,
                    schema_version)
               VALUES ($1, (SELECT oid FROM pg_database WHERE datname = current_database()), $2, $3, $4, $5, $6,
                       pg_backend_pid(), clock_timestamp(), $7)
               ON CONFLICT (site) DO UPDATE SET
                   holder = excluded.holder, backend_pid = excluded.backend_pid, beat = excluded.beat, step = NULL,
                   system_identifier = coalesce(excluded.system_identifier, s.system_identifier),
                   instance = coalesce(s.instance, excluded.instance)"#,
            &[&site, &system, &install_id, &instance, &SitePhase::Idle.as_str(), &holder, &schema::LATEST],
        )
        .await
        .map(drop)
}

/// Records a heartbeat of the leader, and its activity.
pub async fn heartbeat(client: &Client, site: &str, doing: &str) -> Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_state" SET beat = clock_timestamp(), doing = $2 WHERE site = $1"#;
    client.execute(sql, &[&site, &doing]).await.map(drop)
}

/// Records that a creation begins: until [`finish`] the site is unfinished for every pod.
pub async fn start(client: &Client, site: &str, attempt: &str) -> Result<(), Error> {
    client
        .execute(
            r#"UPDATE public."__cauldron_state" SET phase = $3, attempt = $2,
               started = clock_timestamp(), finished = NULL, last_error = NULL WHERE site = $1"#,
            &[&site, &attempt, &SitePhase::Creating.as_str()],
        )
        .await
        .map(drop)
}

/// SQL that fails in the session of a step whose attempt is over. `%s` stands for the attempt (frappe/command.rs).
pub const FENCE: &str = r#"DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM public."__cauldron_state" WHERE step = '%s') THEN
        RAISE EXCEPTION 'this attempt is over: another one leads'; END IF; END $$"#;

/// Records the only attempt whose step may log in from now on: [`FENCE`].
pub async fn begin_step(client: &Client, site: &str, attempt: &str) -> Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_state" SET step = $2 WHERE site = $1"#;
    client.execute(sql, &[&site, &attempt]).await.map(drop)
}

/// Records that the creation finished.
pub async fn finish(client: &Client, site: &str) -> Result<(), Error> {
    client
        .execute(
            r#"UPDATE public."__cauldron_state" SET phase = $2,
               finished = clock_timestamp(), last_error = NULL WHERE site = $1"#,
            &[&site, &SitePhase::Complete.as_str()],
        )
        .await
        .map(drop)
}

/// Assigns the record of a copy that an operator accepted to this installation.
pub async fn accept_copy(
    client: &Client,
    site: &str,
    install_id: &str,
    instance: Option<&str>,
) -> Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_state" SET install_id = $2, instance = $3 WHERE site = $1"#;
    client.execute(sql, &[&site, &install_id, &instance]).await.map(drop)
}

/// Records an error for later queries. It must not contain a secret.
pub async fn record_error(client: &Client, site: &str, error: &str) -> Result<(), Error> {
    client
        .execute(r#"UPDATE public."__cauldron_state" SET last_error = $2 WHERE site = $1"#, &[&site, &error])
        .await
        .map(drop)
}

/// Clears the error of an earlier run, after a run that succeeded.
pub async fn clear_error(client: &Client, site: &str) -> Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_state" SET last_error = NULL WHERE site = $1 AND last_error IS NOT NULL"#;
    client.execute(sql, &[&site]).await.map(drop)
}

/// Wakes the waiting pods.
pub async fn notify(client: &Client) -> Result<(), Error> {
    notifications::notify(client, CHANNEL).await
}

/// Ends the leadership: releases the lock, and wakes the waiting pods.
pub async fn release(client: &Client, site: &str) -> Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_state" SET holder = NULL, backend_pid = NULL, doing = NULL, step = NULL WHERE site = $1"#;
    client.execute(sql, &[&site]).await?;
    advisory_lock::release_all(client).await?;
    notify(client).await
}
