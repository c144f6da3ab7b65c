//! Publishes a version's assets to all pods, and their names to Redis, before the first pod of the version serves.

use crate::bench::file_thread::on_file_thread;
use crate::config::BootstrapMode;
use crate::leader::context::{Context, OverlayContext};
use crate::outcome::Result;
use crate::overlay::caches::Caches;
use crate::overlay::{BenchOverlay, published};

/// Publishes as the leader: also removes assets that no pod needs any more, and sets the names in Redis.
pub async fn publish(context: &OverlayContext<'_>, database: &str) -> Result<()> {
    publish_to_volume(&context.overlay, true).await?;
    if let Some(caches) = Caches::of(&context.pod.config, database) {
        caches.clear_app_caches().await;
        caches.set_assets(context.overlay.assets().names()).await;
    }
    Ok(())
}

/// Publishes as a follower, whose version may differ from the leader's.
pub async fn publish_as_follower(context: &Context<'_>, overlay: &BenchOverlay) -> Result<()> {
    if context.pod.config.bootstrap == BootstrapMode::Off {
        return Ok(());
    }
    publish_to_volume(overlay, false).await
}

async fn publish_to_volume(overlay: &BenchOverlay, leads: bool) -> Result<()> {
    let overlay = overlay.clone();
    let publishing = move || {
        let bench = overlay.bench();
        if leads {
            published::collect(bench);
        }
        // A failure is logged and not fatal: only pods of other versions then answer 404 for these assets.
        let assets = overlay.assets();
        let published = published::publish(bench, &assets);
        let marked = if leads { published::mark_used(bench, &assets) } else { Ok(()) };
        if let Err(error) = published.and(marked) {
            tracing::warn!(
                event = "bundle.assets_not_published",
                %error,
                "cannot publish this version's assets to the volume: other pods cannot serve them"
            );
        }
    };
    on_file_thread(publishing).await
}
