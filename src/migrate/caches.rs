//! After a migration: what was cached meanwhile, of the old tables or by pods of the old code, goes.

use crate::create::assets;
use crate::leader::context::OverlayContext;
use crate::leader::lock::Leadership;
use crate::leader::step::{self, Step};
use crate::outcome::Flow;

/// Frappe's own clear-cache; then the one key that every bench on this Redis shares is set, before anybody is
/// served: a pod of the old version may have put its own list of assets there while it answered 503.
pub async fn clear(
    context: &OverlayContext<'_>,
    leadership: &Leadership,
    step: Step<'_>,
    database: &str,
) -> Flow<()> {
    step::run(context, leadership, &step).await?;
    Ok(assets::publish(context, database).await?)
}
