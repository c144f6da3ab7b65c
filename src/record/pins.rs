//! The lock files of custom apps: `public."__cauldron_pins"`, one row per list of apps.

use tokio_postgres::Client;

use crate::outcome::Result;
use crate::postgres::sql::sql_fault;

/// The lock file of a list, if one is recorded.
pub async fn read(client: &Client, site: &str, list: &str) -> Result<Option<String>> {
    let there = r#"SELECT to_regclass('public."__cauldron_pins"') IS NOT NULL AS is_there"#;
    let row = client
        .query_one(there, &[])
        .await
        .map_err(sql_fault("cannot find the table of the apps' commits"))?;
    if !row.get::<_, bool>("is_there") {
        return Ok(None);
    }
    let sql = r#"SELECT pins FROM public."__cauldron_pins" WHERE site = $1 AND list = $2"#;
    let row =
        client.query_opt(sql, &[&site, &list]).await.map_err(sql_fault("cannot read the apps' commits"))?;
    Ok(row.map(|row| row.get("pins")))
}

/// Records the lock file of a list.
pub async fn write(client: &Client, site: &str, list: &str, text: &str) -> Result<()> {
    let sql = r#"INSERT INTO public."__cauldron_pins" (site, list, pins, written)
                 VALUES ($1, $2, $3, clock_timestamp())
                 ON CONFLICT (site, list) DO UPDATE SET pins = excluded.pins, written = excluded.written"#;
    let written = client.execute(sql, &[&site, &list, &text]).await;
    written.map(drop).map_err(sql_fault("cannot record the apps' commits"))
}

/// Deletes all lists except the `kept` newest.
pub async fn keep_newest(client: &Client, site: &str, kept: i64) -> Result<()> {
    let sql = r#"DELETE FROM public."__cauldron_pins" WHERE site = $1 AND list IN (
                     SELECT list FROM public."__cauldron_pins" WHERE site = $1
                     ORDER BY written DESC OFFSET $2)"#;
    let deleted = client.execute(sql, &[&site, &kept]).await;
    deleted.map(drop).map_err(sql_fault("cannot delete the commits of old lists"))
}
