//! Copies the lock files to the site's database (`record::pins`).
//!
//! The site's tables match the commits of its last migration. If a volume is lost or restored without its `.cauldron`,
//! these commits are read from the copy, instead of the current heads of the branches.

use tokio_postgres::Client;

use super::pins::Pins;
use crate::outcome::Result;
use crate::pod::Pod;
use crate::record;

/// The number of lists kept, which a rollback may need.
const MAX_LISTS_KEPT: i64 = 20;

/// Writes the pins of the database to the volume, if the volume has none.
///
/// # Errors
/// 77 if the volume cannot be written, 75 if the database cannot be read.
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
            tracing::warn!(
                event = "app.pins_restored",
                commits,
                "the volume has no pins of the apps: restored them from the database"
            );
        }
        Err(error) => {
            tracing::warn!(event = "app.pins_copy_unreadable", %error, "the database's copy of the pins is unreadable");
        }
    }
    Ok(())
}

/// Writes the pins of the volume to the database, unless it has the same already.
///
/// # Errors
/// 75 if the database cannot be read or written.
pub async fn record(pod: &Pod, client: &Client, site: &str) -> Result<()> {
    let list = pod.config.apps.digest();
    let pins = Pins::read(&Pins::path(&pod.bench.cauldron(), &list))?;
    let Some(pins) = pins.filter(|_| !pod.config.apps.is_empty()) else { return Ok(()) };
    let text = serde_json::to_string(&pins).expect("pins are JSON");
    if record::pins::read(client, site, &list).await?.as_ref() == Some(&text) {
        return Ok(());
    }
    record::pins::write(client, site, &list, &text).await?;
    record::pins::keep_newest(client, site, MAX_LISTS_KEPT).await
}
