//! Our state in the site's database: `public."__cauldron_state"`, one row, owned by the site's role. Its columns are
//! in `record_schema`.
//!
//! A schema of our own would need a right that legal logins lack, and an administrator's breaks pg_dump
//! (docs/design.md#state-in-the-site-database). The row names the database it was written in: after a restore
//! or a clone it names another one, is history, and counts for nothing. Times are the database's.

use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Error};

use super::migrations::Gate;
use super::phase::SitePhase;
use super::schema;
use crate::frappe::database::LANDMARK;
use crate::postgres::{advisory_lock, notifications};

/// The channel of the site's database on which whoever waits is woken.
const CHANNEL: &str = "cauldron";

/// Has a session woken by every change. Behind a transaction pooler it never is: who waits looks
/// again by itself, too.
pub async fn listen(client: &Client) {
    notifications::listen(client, CHANNEL).await;
}

/// What the row says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub phase: SitePhase,
    pub attempt: Option<String>,
    pub install_id: String,
    pub instance: Option<String>,
    pub holder: Option<String>,
    /// The backend of the session that holds the lock, while the holder leads.
    pub backend_pid: Option<i32>,
    /// None where nobody ever led.
    pub beat_age_ms: Option<i64>,
    /// What the holder did at its last beat.
    pub doing: Option<String>,
    pub last_error: Option<String>,
    /// What these very tables were migrated to last.
    pub fingerprint: Option<String>,
    pub gate: Gate,
    /// The gate's record is of these very tables; one that is not counts for nothing.
    pub of_these_tables: bool,
}

/// The site's row, if there is one and it was written in this very database.
pub async fn read(client: &Client, site: &str) -> Result<Option<State>, Error> {
    Ok(read_all(client, site).await?.own)
}

/// What our table says, as one looks at it for a site.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The site's row, written in this very database.
    pub own: Option<State>,
    /// The installation of a row of the site's that was written in another database: it came with a
    /// backup, or with a copy.
    pub history: Option<String>,
    /// Another site whose creation in this very database was begun or finished: it is not ours to take.
    pub other_site: Option<String>,
    pub database: DatabaseId,
    /// The version of the record's schema; 0 where there is no record.
    pub schema: i32,
}

/// A database among all others: a cluster has no second one of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseId {
    /// None where the server does not say.
    pub system_identifier: Option<String>,
    pub name: String,
}

/// Everything at once.
pub async fn read_all(client: &Client, site: &str) -> Result<Records, Error> {
    let mut records = Records { schema: schema::version(client).await?, ..Records::default() };
    if records.schema == 0 {
        return Ok(records);
    }
    records.database = database_id(client).await?;
    let system = &records.database.system_identifier;
    let sql = format!(
        r#"SELECT site, {WRITTEN_HERE} AS is_written_here, phase, attempt, install_id, instance, holder, backend_pid,
                  (extract(epoch FROM clock_timestamp() - beat) * 1000)::int8 AS beat_age_ms, doing, last_error,
                  fingerprint, gate, landmark IS NOT DISTINCT FROM {LANDMARK} AS is_of_these_tables
           FROM public."__cauldron_state" ORDER BY site"#
    );
    for row in client.query(&sql, &[system]).await? {
        let of_these_tables: bool = row.get("is_of_these_tables");
        let gate = Gate::parse(row.get("gate"));
        let state = State {
            phase: SitePhase::parse(row.get("phase")),
            attempt: row.get("attempt"),
            install_id: row.get("install_id"),
            instance: row.get("instance"),
            holder: row.get("holder"),
            backend_pid: row.get("backend_pid"),
            beat_age_ms: row.get("beat_age_ms"),
            doing: row.get("doing"),
            last_error: row.get("last_error"),
            fingerprint: row.get::<_, Option<String>>("fingerprint").filter(|_| of_these_tables),
            gate: if of_these_tables { gate } else { gate.after_a_restore() },
            of_these_tables,
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

/// The row is of this very database. Two fresh clusters give their first database the same OID, so
/// the cluster counts too, where it can be read; $1 is [`system_identifier`].
const WRITTEN_HERE: &str = "database_oid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND coalesce(system_identifier = $1::text, true)";

async fn database_id(client: &Client) -> Result<DatabaseId, Error> {
    let row = client.query_one("SELECT current_database()::text AS name", &[]).await?;
    Ok(DatabaseId { system_identifier: system_identifier(client).await, name: row.get("name") })
}

/// The cluster's own identity; managed servers may keep it to themselves.
async fn system_identifier(client: &Client) -> Option<String> {
    let row = client.query_one("SELECT system_identifier::text FROM pg_control_system()", &[]).await.ok()?;
    row.get("system_identifier")
}

/// Who leads now. A row of another database (a restored copy) is replaced: it is history.
pub async fn claim(
    client: &Client,
    site: &str,
    install_id: &str,
    instance: Option<&str>,
    holder: &str,
) -> Result<(), Error> {
    let system = system_identifier(client).await;
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

/// One sign of life of the holder, and what it does.
pub async fn heartbeat(client: &Client, site: &str, doing: &str) -> Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_state" SET beat = clock_timestamp(), doing = $2 WHERE site = $1"#;
    client.execute(sql, &[&site, &doing]).await.map(drop)
}

/// A creation begins: from here to [`finish`] the site is unfinished, whoever looks.
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

/// SQL that fails in a session of a step whose attempt is over. `%s` stands for the attempt (frappe/command.rs).
pub const FENCE: &str = r#"DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM public."__cauldron_state" WHERE step = '%s') THEN
        RAISE EXCEPTION 'this attempt is over: another one leads'; END IF; END $$"#;

/// The only attempt whose step may log in from now on: [`FENCE`].
pub async fn begin_step(client: &Client, site: &str, attempt: &str) -> Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_state" SET step = $2 WHERE site = $1"#;
    client.execute(sql, &[&site, &attempt]).await.map(drop)
}

/// The site is finished.
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

/// A copy that its operator named: the record is this installation's from now on.
pub async fn take_over(
    client: &Client,
    site: &str,
    install_id: &str,
    instance: Option<&str>,
) -> Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_state" SET install_id = $2, instance = $3 WHERE site = $1"#;
    client.execute(sql, &[&site, &install_id, &instance]).await.map(drop)
}

/// What went wrong, for whoever asks later. Never a secret.
pub async fn record_error(client: &Client, site: &str, error: &str) -> Result<(), Error> {
    client
        .execute(r#"UPDATE public."__cauldron_state" SET last_error = $2 WHERE site = $1"#, &[&site, &error])
        .await
        .map(drop)
}

/// A run that ended well: an error of an earlier one is over.
pub async fn clear_error(client: &Client, site: &str) -> Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_state" SET last_error = NULL WHERE site = $1 AND last_error IS NOT NULL"#;
    client.execute(sql, &[&site]).await.map(drop)
}

/// Whoever waits looks again.
pub async fn notify(client: &Client) -> Result<(), Error> {
    notifications::notify(client, CHANNEL).await
}

/// Nobody leads any more: the lock is let go, and whoever waits is woken.
pub async fn release(client: &Client, site: &str) -> Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_state" SET holder = NULL, backend_pid = NULL, doing = NULL, step = NULL WHERE site = $1"#;
    client.execute(sql, &[&site]).await?;
    advisory_lock::release_all(client).await?;
    notify(client).await
}
