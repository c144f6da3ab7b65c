//! What the database has on record about migrations: the gate's present state in our row of the site,
//! and a row for every fingerprint that was ever tried.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Error};

use super::stage::{Event, Kind, Stage, on_event};
use super::state::notify;
use crate::frappe::database::LANDMARK;
use crate::outcome::Result;
use crate::postgres::sql::sql_fault;

/// What an app was when it was migrated to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Released {
    pub version: Option<String>,
    pub commit: Option<String>,
}

/// The present state of the gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gate {
    pub stage: Stage,
    /// Nothing is pending: no maintenance, nobody is held.
    #[serde(rename = "quiet")]
    pub no_op: bool,
    /// An earlier migration changed the database and did not end.
    #[serde(rename = "half")]
    pub interrupted: bool,
    /// What is migrated to, or was in vain.
    pub target: Option<String>,
    /// We set maintenance_mode, and an operator had not.
    pub maintenance_ours: bool,
    /// The backup that was taken before.
    pub backup: Option<String>,
    /// Why the last try failed.
    pub error: Option<String>,
}

impl Gate {
    /// What an older or newer version of ours wrote is read as far as it goes.
    pub fn parse(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The tables are others: nothing is half-migrated any more, but maintenance may still be on.
    pub fn after_a_restore(self) -> Self {
        let stage = if self.maintenance_ours { Stage::Finishing } else { Stage::Open };
        Self { stage, maintenance_ours: self.maintenance_ours, ..Self::default() }
    }

    pub fn kind(&self) -> Kind {
        Kind { no_op: self.no_op, interrupted: self.interrupted }
    }

    /// Goes on to the next stage.
    pub fn on_event(&mut self, event: Event) {
        self.stage = on_event(self.stage, self.kind(), event);
        match self.stage {
            Stage::Failed => self.interrupted = true,
            Stage::Finishing | Stage::Open => self.interrupted = false,
            _ => {}
        }
    }

    /// No job may begin, as far as the record says.
    pub fn holds_workers(&self, leader_is_alive: bool) -> bool {
        self.stage.holds_workers(self.kind(), leader_is_alive)
    }

    /// A migration changed the database and did not end.
    pub fn is_half_done(&self) -> bool {
        self.stage == Stage::Failed
    }

    /// What is wrong, and what can be done, wherever it is told.
    pub fn remedy(&self) -> String {
        let backup = match &self.backup {
            Some(path) => format!(", a restore of {path}"),
            None => ", a restore of a backup".into(),
        };
        format!(
            "the migration to {} failed after it had changed the database: {}; maintenance stays until `cauldron-frappe \
             migrate --retry` with that code{backup}, or `cauldron-frappe maintenance off --force`",
            self.target.as_deref().unwrap_or("-"),
            self.error.as_deref().unwrap_or("it was cut off"),
        )
    }
}

/// A fingerprint has so many attempts. They are counted in the database: a restart grants none.
pub const ATTEMPTS: i32 = 3;

/// A fingerprint that was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    pub attempts: i32,
    /// Seconds since the last one began, or failed.
    pub last_attempt_s: Option<i64>,
    pub last_error: Option<String>,
    pub is_migrated: bool,
}

impl Tried {
    pub fn was_often_enough(&self) -> bool {
        self.attempts >= ATTEMPTS
    }
}

pub async fn write_gate(client: &Client, site: &str, gate: &Gate) -> Result<()> {
    let text = serde_json::to_string(gate).expect("a gate is JSON");
    let sql = r#"UPDATE public."__cauldron_state" SET gate = $2 WHERE site = $1"#;
    client.execute(sql, &[&site, &text]).await.map_err(sql_fault("cannot record the gate"))?;
    notify(client).await.map_err(sql_fault("cannot tell the other pods"))
}

/// What is known of one fingerprint; nothing where it was never tried.
pub async fn tried(client: &Client, site: &str, fingerprint: &str) -> Result<Tried> {
    let sql = r#"SELECT attempts, extract(epoch FROM clock_timestamp() - last_attempt)::int8 AS last_attempt_s,
                        last_error, migrated IS NOT NULL AS is_migrated
                 FROM public."__cauldron_fingerprint" WHERE site = $1 AND fingerprint = $2"#;
    let row = client
        .query_opt(sql, &[&site, &fingerprint])
        .await
        .map_err(sql_fault("cannot read the history of migrations"))?;
    Ok(row.map_or_else(Tried::default, |row| Tried {
        attempts: row.get("attempts"),
        last_attempt_s: row.get("last_attempt_s"),
        last_error: row.get("last_error"),
        is_migrated: row.get("is_migrated"),
    }))
}

/// Counts an attempt before anything is done: whatever ends it, a restart grants no other one.
pub async fn count_attempt(client: &Client, site: &str, fingerprint: &str) -> Result<i32> {
    let sql = r#"INSERT INTO public."__cauldron_fingerprint" AS f (site, fingerprint, attempts, last_attempt)
                 VALUES ($1, $2, 1, clock_timestamp())
                 ON CONFLICT (site, fingerprint) DO UPDATE
                 SET attempts = f.attempts + 1, last_attempt = clock_timestamp() RETURNING attempts"#;
    let row =
        client.query_one(sql, &[&site, &fingerprint]).await.map_err(sql_fault("cannot count the attempt"))?;
    Ok(row.get("attempts"))
}

/// It was ended by a stop that somebody asked for: that says nothing against the code.
pub async fn give_attempt_back(
    client: &Client,
    site: &str,
    fingerprint: &str,
) -> std::result::Result<(), Error> {
    let sql = r#"UPDATE public."__cauldron_fingerprint" SET attempts = greatest(attempts - 1, 0)
                 WHERE site = $1 AND fingerprint = $2"#;
    client.execute(sql, &[&site, &fingerprint]).await.map(drop)
}

pub async fn record_failure(client: &Client, site: &str, fingerprint: &str, error: &str) -> Result<()> {
    let sql = r#"UPDATE public."__cauldron_fingerprint" SET last_error = $3, last_attempt = clock_timestamp()
                 WHERE site = $1 AND fingerprint = $2"#;
    client
        .execute(sql, &[&site, &fingerprint, &error])
        .await
        .map(drop)
        .map_err(sql_fault("cannot record the failure"))
}

/// An operator's `migrate --retry`.
pub async fn forget_attempts(client: &Client, site: &str, fingerprint: &str) -> Result<()> {
    let sql =
        r#"UPDATE public."__cauldron_fingerprint" SET attempts = 0 WHERE site = $1 AND fingerprint = $2"#;
    client
        .execute(sql, &[&site, &fingerprint])
        .await
        .map(drop)
        .map_err(sql_fault("cannot grant new attempts"))
}

/// A migration that came to its end.
pub struct Migrated<'a> {
    pub fingerprint: &'a str,
    /// Of the installed apps.
    pub released: &'a BTreeMap<String, Released>,
    pub took_ms: i64,
    pub patches: i32,
}

/// This is what the tables are from now on; the history has it.
pub async fn record_migrated(
    client: &Client,
    site: &str,
    migrated: &Migrated<'_>,
    gate: &Gate,
) -> Result<()> {
    let gate = serde_json::to_string(gate).expect("a gate is JSON");
    let Migrated { fingerprint, released, took_ms, patches } = migrated;
    let apps = serde_json::to_string(released).expect("versions are JSON");
    // One statement: either everything is recorded or nothing.
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
    notify(client).await.map_err(sql_fault("cannot tell the other pods"))
}

/// What the apps were at the last migration. Frappe itself has that only after its first migrate.
pub async fn released(client: &Client, site: &str) -> Result<BTreeMap<String, Released>> {
    let sql = r#"SELECT f.apps FROM public."__cauldron_fingerprint" AS f
                 JOIN public."__cauldron_state" AS s USING (site, fingerprint) WHERE site = $1"#;
    let row =
        client.query_opt(sql, &[&site]).await.map_err(sql_fault("cannot read the history of migrations"))?;
    let text: Option<String> = row.and_then(|row| row.get("apps"));
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// The record is of these tables from now on. What it says of others (a backup was restored) is history.
pub async fn begin_anew(client: &Client, site: &str, gate: &Gate) -> Result<()> {
    let sql = r#"DELETE FROM public."__cauldron_fingerprint" WHERE site = $1"#;
    client.execute(sql, &[&site]).await.map_err(sql_fault("cannot clear the history of migrations"))?;
    let gate = serde_json::to_string(gate).expect("a gate is JSON");
    let sql = format!(
        r#"UPDATE public."__cauldron_state" SET fingerprint = NULL, landmark = {LANDMARK}, gate = $2 WHERE site = $1"#
    );
    client.execute(&sql, &[&site, &gate]).await.map(drop).map_err(sql_fault("cannot record the gate"))
}

/// Milliseconds that a patch took on average in the migrations on record.
pub async fn ms_per_patch(client: &Client, site: &str) -> Result<Option<i64>> {
    let sql = r#"SELECT (sum(took_ms) / nullif(sum(patches), 0))::int8 AS ms FROM public."__cauldron_fingerprint"
                 WHERE site = $1 AND patches > 0"#;
    let row =
        client.query_one(sql, &[&site]).await.map_err(sql_fault("cannot read the history of migrations"))?;
    Ok(row.get("ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_version_wrote_is_read_as_far_as_it_goes() {
        assert_eq!(Gate::parse(None), Gate::default());
        assert_eq!(Gate::parse(Some("{}")), Gate::default());
        let read = Gate::parse(Some(r#"{"stage": "failed", "target": "f", "new": 1}"#));
        assert!(read.stage == Stage::Failed && read.target.as_deref() == Some("f"));
        assert!(read.remedy().contains("--retry"));
    }

    #[test]
    fn the_fields_keep_the_names_that_the_release_before_reads() {
        let gate = Gate { no_op: true, interrupted: true, ..Gate::default() };
        let text = serde_json::to_string(&gate).unwrap();
        assert!(text.contains(r#""quiet":true"#) && text.contains(r#""half":true"#), "{text}");
        assert_eq!(Gate::parse(Some(&text)), gate);
    }

    #[test]
    fn a_restored_database_is_not_half_migrated_but_may_be_in_maintenance() {
        let failed = Gate { stage: Stage::Failed, maintenance_ours: true, ..Gate::default() };
        assert_eq!(failed.after_a_restore().stage, Stage::Finishing);
        let by_hand = Gate { stage: Stage::Failed, ..Gate::default() };
        assert_eq!(by_hand.after_a_restore(), Gate::default());
    }
}
