//! A copy of the lock files in the site's database (`record::pins`).
//!
//! The tables are of the commits that they were migrated with. A volume that was lost, or came without its
//! `.cauldron`, takes these from here, and not whatever its branches have come to meanwhile.

use tokio_postgres::Client;

use super::pins::Pins;
use crate::outcome::Result;
use crate::pod::Pod;
use crate::record;

/// As many lists as a rollback may go back to.
const KEPT: i64 = 20;

/// Has the volume say what the database does, where it says nothing.
///
/// # Errors
/// 77 where the volume cannot be written, 75 where the database cannot be asked.
pub async fn restore(pod: &Pod, client: &Client, site: &str) -> Result<()> {
    let list = pod.config.apps.digest();
    let path = Pins::path(&pod.bench.cauldron(), &list);
    if pod.config.apps.is_empty() || Pins::read(&path)?.is_some() {
        return Ok(());
    }
    let Some(text) = record::pins::read(client, site, &list).await? else { return Ok(()) };
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
pub async fn record(pod: &Pod, client: &Client, site: &str) -> Result<()> {
    let list = pod.config.apps.digest();
    let pins = Pins::read(&Pins::path(&pod.bench.cauldron(), &list))?;
    let Some(pins) = pins.filter(|_| !pod.config.apps.is_empty()) else { return Ok(()) };
    let text = serde_json::to_string(&pins).expect("pins are JSON");
    if record::pins::read(client, site, &list).await?.as_ref() == Some(&text) {
        return Ok(());
    }
    record::pins::write(client, site, &list, &text).await?;
    record::pins::keep_newest(client, site, KEPT).await
}
