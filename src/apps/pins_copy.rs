//! A copy of the lock files in the site's database: `public."__cauldron_pins"`.
//!
//! The tables are of the commits that they were migrated with. A volume that was lost, or came without its
//! `.cauldron`, takes these from here, and not whatever its branches have come to meanwhile.

use tokio_postgres::Client;

use super::Context;
use super::pins::Pins;
use super::wanted;
use crate::outcome::Result;
use crate::postgres::sql::told;

/// As many lists as a rollback may go back to.
const KEPT: i64 = 20;

/// Has the volume say what the database does, where it says nothing.
///
/// # Errors
/// 77 where the volume cannot be written, 75 where the database cannot be asked.
pub async fn restore(context: &Context<'_>, client: &Client, site: &str) -> Result<()> {
    let list = wanted::digest(&context.config.apps);
    let path = Pins::path(&context.bench.cauldron(), &list);
    if context.config.apps.is_empty() || Pins::read(&path)?.is_some() {
        return Ok(());
    }
    let Some(text) = read(client, site, &list).await? else { return Ok(()) };
    match serde_json::from_str::<Pins>(&text) {
        Ok(pins) => {
            pins.write(&path)?;
            let commits = pins.apps.len();
            tracing::warn!(commits, "the volume lacked the apps' commits: taken from the database");
        }
        Err(error) => tracing::warn!(%error, "the database's copy of the apps' commits cannot be read"),
    }
    Ok(())
}

/// Has the database say what the volume does; nothing is written where it does already.
///
/// # Errors
/// 75 where the database cannot be asked.
pub async fn record(context: &Context<'_>, client: &Client, site: &str) -> Result<()> {
    let list = wanted::digest(&context.config.apps);
    let pins = Pins::read(&Pins::path(&context.bench.cauldron(), &list))?;
    let Some(pins) = pins.filter(|_| !context.config.apps.is_empty()) else { return Ok(()) };
    let text = serde_json::to_string(&pins).expect("pins are JSON");
    if read(client, site, &list).await?.as_ref() == Some(&text) {
        return Ok(());
    }
    let write = r#"INSERT INTO public."__cauldron_pins" (site, list, pins, written)
                   VALUES ($1, $2, $3, clock_timestamp())
                   ON CONFLICT (site, list) DO UPDATE SET pins = excluded.pins, written = excluded.written"#;
    client.execute(write, &[&site, &list, &text]).await.map_err(told("cannot record the apps' commits"))?;
    let forget = r#"DELETE FROM public."__cauldron_pins" WHERE site = $1 AND list IN (
                        SELECT list FROM public."__cauldron_pins" WHERE site = $1
                        ORDER BY written DESC OFFSET $2)"#;
    let forgotten = client.execute(forget, &[&site, &KEPT]).await;
    forgotten.map(drop).map_err(told("cannot forget the commits of old lists"))
}

async fn read(client: &Client, site: &str, list: &str) -> Result<Option<String>> {
    let there = r#"SELECT to_regclass('public."__cauldron_pins"') IS NOT NULL"#;
    let row = client.query_one(there, &[]).await.map_err(told("cannot look for the apps' commits"))?;
    if !row.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = r#"SELECT pins FROM public."__cauldron_pins" WHERE site = $1 AND list = $2"#;
    let row = client.query_opt(sql, &[&site, &list]).await.map_err(told("cannot read the apps' commits"))?;
    Ok(row.map(|row| row.get(0)))
}
