//! The history of migrations in the site's database: a row for every fingerprint that was ever tried.
//! The gate's present state, in our row of the site, is written here too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Error};

use super::gate::Gate;
use super::state::notify;
use crate::frappe::database::LANDMARK;
use crate::outcome::Result;
use crate::postgres::sql::sql_fault;

/// The version and commit of an app at a migration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Released {
    pub version: Option<String>,
    pub commit: Option<String>,
}

/// The attempts that a fingerprint has. They are counted in the database: a restart grants no new ones.
pub const MAX_ATTEMPTS: i32 = 3;

/// The attempts to migrate to one fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptHistory {
    pub attempts: i32,
    /// Seconds since the last attempt began, or failed.
    pub last_attempt_s: Option<i64>,
    pub last_error: Option<String>,
    pub is_migrated: bool,
}

impl AttemptHistory {
    /// True if no attempt is left.
    pub fn is_exhausted(&self) -> bool {
        self.attempts >= MAX_ATTEMPTS
    }
}

/// Records the gate, and wakes the waiting pods.
pub async fn write_gate(client: &Client, site: &str, gate: &Gate) -> Result<()> {
    let text = serde_json::to_string(gate).expect("a gate is JSON");
    let sql = r#"UPDATE public."__cauldron_state" SET gate = $2 WHERE site = $1"#;
    client.execute(sql, &[&site, &text]).await.map_err(sql_fault("cannot record the gate"))?;
    notify(client).await.map_err(sql_fault("cannot notify the other pods"))
}

/// The attempts of one fingerprint; the default if it was never tried.
pub async fn attempt_history(client: &Client, site: &str, fingerprint: &str) -> Result<AttemptHistory> {
    let sql = r#"SELECT attempts, extract(epoch FROM clock_timestamp() - last_attempt)::int8 AS last_attempt_s,
                        last_error, migrated IS NOT NULL AS is_migrated
                 FROM public."__cauldron_fingerprint" WHERE site = $1 AND fingerprint = $2"#;
    let row = client
        .query_opt(sql, &[&site, &fingerprint])
        .await
        .map_err(sql_fault("cannot read the history of migrations"))?;
    Ok(row.map_or_else(AttemptHistory::default, |row| AttemptHistory {
        attempts: row.get("attempts"),
        last_attempt_s: row.get("last_attempt_s"),
        last_error: row.get("last_error"),
        is_migrated: row.get("is_migrated"),
    }))
}

/// Counts an attempt before its work begins, so that a restart grants no additional one. Returns its number.
pub async fn count_attempt(client: &Client, site: &str, fingerprint: &str) -> Result<i32> {
    let sql = r#"INSERT INTO public."__cauldron_fingerprint" AS f (site, fingerprint, attempts, last_attempt)
                 VALUES ($1, $2, 1, clock_timestamp())
                 ON CONFLICT (site, fingerprint) DO UPDATE
                 SET attempts = f.attempts + 1, last_attempt = clock_timestamp() RETURNING attempts"#;
    let row =
        client.query_one(sql, &[&site, &fingerprint]).await.map_err(sql_fault("cannot count the attempt"))?;
    Ok(row.get("attempts"))
}

/// Returns an attempt that a requested stop ended: that is no failure of the code.
pub async fn refund_attempt(
    client: &Client,
    site: &str,
    fingerprint: &str,
) -> std::result::Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_fingerprint" SET attempts = greatest(attempts - 1, 0)
                 WHERE site = $1 AND fingerprint = $2"#;
    client.execute(sql, &[&site, &fingerprint]).await.map(drop)
}

/// Records why an attempt failed.
pub async fn record_failure(client: &Client, site: &str, fingerprint: &str, error: &str) -> Result<()> {
    let sql = r#"UPDATE public."__cauldron_fingerprint" SET last_error = $3, last_attempt = clock_timestamp()
                 WHERE site = $1 AND fingerprint = $2"#;
    client
        .execute(sql, &[&site, &fingerprint, &error])
        .await
        .map(drop)
        .map_err(sql_fault("cannot record the failure"))
}

/// Resets the count, for an operator's `migrate --retry`.
pub async fn forget_attempts(client: &Client, site: &str, fingerprint: &str) -> Result<()> {
    let sql =
        r#"UPDATE public."__cauldron_fingerprint" SET attempts = 0 WHERE site = $1 AND fingerprint = $2"#;
    client
        .execute(sql, &[&site, &fingerprint])
        .await
        .map(drop)
        .map_err(sql_fault("cannot reset the attempts"))
}

/// A migration that finished.
pub struct Migrated<'a> {
    pub fingerprint: &'a str,
    /// Of the installed apps.
    pub released: &'a BTreeMap<String, Released>,
    pub took_ms: i64,
    pub patches: i32,
}

/// Records the fingerprint of the tables, in the history and in the site's row.
pub async fn record_migrated(
    client: &Client,
    site: &str,
    migrated: &Migrated<'_>,
    gate: &Gate,
) -> Result<()> {
    let gate = serde_json::to_string(gate).expect("a gate is JSON");
    let Migrated { fingerprint, released, took_ms, patches } = migrated;
    let apps = serde_json::to_string(released).expect("versions are JSON");
    // One statement, so that all of it is recorded or nothing.
    let sql = format!(
        r#"WITH history AS (
               INSERT INTO public."__cauldron_fingerprint" AS f (site, fingerprint, apps, migrated, took_ms, patches)
               VALUES ($1, $2, $6, clock_timestamp(), $4, $5)
               ON CONFLICT (site, fingerprint) DO UPDATE SET attempts = 0, last_error = NULL, apps = excluded.apps,
                   migrated = excluded.migrated, took_ms = excluded.took_ms, patches = excluded.patches)
           UPDATE public."__cauldron_state" SET fingerprint = $2, landmark = {LANDMARK}, gate = $3 WHERE site = $1"#
    );
    client
        .execute(&sql, &[&site, fingerprint, &gate, took_ms, patches, &apps])
        .await
        .map_err(sql_fault("cannot record the migration"))?;
    notify(client).await.map_err(sql_fault("cannot notify the other pods"))
}

/// The apps' versions at the last migration. Frappe records them only after its first migrate.
pub async fn released(client: &Client, site: &str) -> Result<BTreeMap<String, Released>> {
    let sql = r#"SELECT f.apps FROM public."__cauldron_fingerprint" AS f
                 JOIN public."__cauldron_state" AS s USING (site, fingerprint) WHERE site = $1"#;
    let row =
        client.query_opt(sql, &[&site]).await.map_err(sql_fault("cannot read the history of migrations"))?;
    let text: Option<String> = row.and_then(|row| row.get("apps"));
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Starts a new history for the present tables. The old one was about other tables (a backup was restored).
pub async fn reset_history(client: &Client, site: &str, gate: &Gate) -> Result<()> {
    let sql = r#"DELETE FROM public."__cauldron_fingerprint" WHERE site = $1"#;
    client.execute(sql, &[&site]).await.map_err(sql_fault("cannot clear the history of migrations"))?;
    let gate = serde_json::to_string(gate).expect("a gate is JSON");
    let sql = format!(
        r#"UPDATE public."__cauldron_state" SET fingerprint = NULL, landmark = {LANDMARK}, gate = $2 WHERE site = $1"#
    );
    client.execute(&sql, &[&site, &gate]).await.map(drop).map_err(sql_fault("cannot record the gate"))
}

/// The average time of a patch, in milliseconds, over the migrations on record.
pub async fn ms_per_patch(client: &Client, site: &str) -> Result<Option<i64>> {
    let sql = r#"SELECT (sum(took_ms) / nullif(sum(patches), 0))::int8 AS ms FROM public."__cauldron_fingerprint"
                 WHERE site = $1 AND patches > 0"#;
    let row =
        client.query_one(sql, &[&site]).await.map_err(sql_fault("cannot read the history of migrations"))?;
    Ok(row.get("ms"))
}
