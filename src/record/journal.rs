//! The journal of installs: `public."__cauldron_apps"`, one row per app whose install began here.
//!
//! It describes the database that contains it, so it also counts in a copy and after a restore:
//! a dump that was taken during an install contains half an app, and its journal says so.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row};

use crate::outcome::Result;
use crate::postgres::sql::sql_fault;

/// The install of one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub finished: bool,
    /// None for an app that is baked into the image.
    pub commit: Option<String>,
}

/// The entries by app; empty if no install ever began.
pub async fn read(client: &Client, site: &str) -> Result<BTreeMap<String, Entry>> {
    let there = r#"SELECT to_regclass('public."__cauldron_apps"') IS NOT NULL AS is_there"#;
    let row = client.query_one(there, &[]).await.map_err(sql_fault("cannot find the journal of installs"))?;
    if !row.get::<_, bool>("is_there") {
        return Ok(BTreeMap::new());
    }
    let sql = r#"SELECT app, finished IS NOT NULL AS is_finished, commit FROM public."__cauldron_apps" WHERE site = $1"#;
    let rows = client.query(sql, &[&site]).await.map_err(sql_fault("cannot read the journal of installs"))?;
    let entry = |row: &Row| Entry { finished: row.get("is_finished"), commit: row.get("commit") };
    Ok(rows.iter().map(|row| (row.get("app"), entry(row))).collect())
}

/// Records that an install begins. Until [`finish`] the app counts as partly installed, whatever Frappe reports.
pub async fn start(client: &Client, site: &str, app: &str, commit: Option<&str>) -> Result<()> {
    let sql = r#"INSERT INTO public."__cauldron_apps" (site, app, commit, started)
                 VALUES ($1, $2, $3, clock_timestamp())
                 ON CONFLICT (site, app) DO UPDATE SET
                     commit = excluded.commit, started = excluded.started, finished = NULL"#;
    let done = client.execute(sql, &[&site, &app, &commit]).await;
    done.map(drop).map_err(sql_fault("cannot record the start of an install"))
}

/// Records that an install finished.
pub async fn finish(client: &Client, site: &str, app: &str) -> Result<()> {
    let sql =
        r#"UPDATE public."__cauldron_apps" SET finished = clock_timestamp() WHERE site = $1 AND app = $2"#;
    let done = client.execute(sql, &[&site, &app]).await;
    done.map(drop).map_err(sql_fault("cannot record the end of an install"))
}

/// Deletes the entry of an app that was removed from the site.
pub async fn forget(client: &Client, site: &str, app: &str) -> Result<()> {
    let sql = r#"DELETE FROM public."__cauldron_apps" WHERE site = $1 AND app = $2"#;
    client
        .execute(sql, &[&site, &app])
        .await
        .map(drop)
        .map_err(sql_fault("cannot delete an app from the journal of installs"))
}

/// Deletes all entries, for a site that is created again.
pub async fn forget_all(client: &Client, site: &str) -> Result<()> {
    let sql = r#"DELETE FROM public."__cauldron_apps" WHERE site = $1"#;
    client.execute(sql, &[&site]).await.map(drop).map_err(sql_fault("cannot clear the journal of installs"))
}
