//! Clears the caches after a migration: entries from the old tables, and entries by pods of the old code.

use crate::create::assets;
use crate::leader::context::OverlayContext;
use crate::leader::lock::Leadership;
use crate::leader::step::{self, Step};
use crate::outcome::Flow;

/// Runs Frappe's clear-cache, then sets the one key that all benches on this Redis share, before any request is served:
/// a pod of the old version may have written its own list of assets there while it answered 503.
pub async fn clear(
    context: &OverlayContext<'_>,
    leadership: &Leadership,
    step: Step<'_>,
    database: &str,
) -> Flow<()> {
    step::run(context, leadership, &step).await?;
    Ok(assets::publish(context, database).await?)
}
