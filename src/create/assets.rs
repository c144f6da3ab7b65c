//! Before the first pod of a version serves: its assets for every pod, and their names in Redis.

use crate::config::BootstrapMode;
use crate::leader::context::{Context, OverlayContext};
use crate::outcome::{BUG, Fault, Result};
use crate::overlay::caches::Caches;
use crate::overlay::{BenchOverlay, published};

/// For the leader: what no pod needs any more is taken away, too, and the names are set.
pub async fn publish(context: &OverlayContext<'_>, database: &str) -> Result<()> {
    on_the_volume(&context.overlay, true).await?;
    if let Some(caches) = Caches::of(&context.pod.config, database) {
        caches.forget_apps().await;
        caches.set_assets(context.overlay.assets().names()).await;
    }
    Ok(())
}

/// For a follower: its version may be another one than the leader's.
pub async fn publish_own(context: &Context<'_>, overlay: &BenchOverlay) -> Result<()> {
    if context.pod.config.bootstrap == BootstrapMode::Off {
        return Ok(());
    }
    on_the_volume(overlay, false).await
}

async fn on_the_volume(overlay: &BenchOverlay, leads: bool) -> Result<()> {
    let overlay = overlay.clone();
    let publishing = move || {
        let bench = overlay.bench();
        if leads {
            published::collect(bench);
        }
        // Pods of another version answer 404 for what is only this one's: worth a word, not an end.
        let assets = overlay.assets();
        let published = published::publish(bench, &assets);
        let marked = if leads { published::mark_used(bench, &assets) } else { Ok(()) };
        if let Err(error) = published.and(marked) {
            tracing::warn!(%error, "this version's assets are not on the volume: other pods cannot serve them");
        }
    };
    tokio::task::spawn_blocking(publishing)
        .await
        .map_err(|error| Fault::new(BUG, format!("publishing assets: {error}"), "report this"))
}
