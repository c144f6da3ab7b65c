//! The lock files of custom apps: `public."__cauldron_pins"`, one row for each list of apps.

use tokio_postgres::Client;

use crate::outcome::Result;
use crate::postgres::sql::sql_fault;

/// The text that is there for a list.
pub async fn read(client: &Client, site: &str, list: &str) -> Result<Option<String>> {
    let there = r#"SELECT to_regclass('public."__cauldron_pins"') IS NOT NULL AS is_there"#;
    let row = client.query_one(there, &[]).await.map_err(sql_fault("cannot look for the apps' commits"))?;
    if !row.get::<_, bool>("is_there") {
        return Ok(None);
    }
    let sql = r#"SELECT pins FROM public."__cauldron_pins" WHERE site = $1 AND list = $2"#;
    let row =
        client.query_opt(sql, &[&site, &list]).await.map_err(sql_fault("cannot read the apps' commits"))?;
    Ok(row.map(|row| row.get("pins")))
}

pub async fn write(client: &Client, site: &str, list: &str, text: &str) -> Result<()> {
    let sql = r#"INSERT INTO public."__cauldron_pins" (site, list, pins, written)
                 VALUES ($1, $2, $3, clock_timestamp())
                 ON CONFLICT (site, list) DO UPDATE SET pins = excluded.pins, written = excluded.written"#;
    let written = client.execute(sql, &[&site, &list, &text]).await;
    written.map(drop).map_err(sql_fault("cannot record the apps' commits"))
}

/// Forgets every list but the `kept` that were written last.
pub async fn keep_newest(client: &Client, site: &str, kept: i64) -> Result<()> {
    let sql = r#"DELETE FROM public."__cauldron_pins" WHERE site = $1 AND list IN (
                     SELECT list FROM public."__cauldron_pins" WHERE site = $1
                     ORDER BY written DESC OFFSET $2)"#;
    let forgotten = client.execute(sql, &[&site, &kept]).await;
    forgotten.map(drop).map_err(sql_fault("cannot forget the commits of old lists"))
}
