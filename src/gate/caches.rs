//! After a migration: what was cached meanwhile, of the old tables or by pods of the old code, goes.

use redis::Pipeline;

use crate::bootstrap::Context;
use crate::bootstrap::lock::Leadership;
use crate::bootstrap::step::{self, Step};
use crate::outcome::Stopped;
use crate::redis_client::{Link, Server};

/// Frappe's own clear-cache, then the one key that every bench on this Redis shares: a pod of the old
/// version may have put its own list of assets there while it answered 503.
pub async fn clear(context: &Context<'_>, leadership: &Leadership, step: Step<'_>) -> Result<(), Stopped> {
    step::run(context, leadership, &step).await?;
    let redis = &context.config.redis;
    if let Some(url) = &redis.cache
        && let Ok(server) = Server::new(url, redis.tls_ca.as_ref(), "REDIS_CACHE")
        && let Err(error) =
            Link::new(server).ask::<()>(Pipeline::new().cmd("DEL").arg("assets_json").ignore()).await
    {
        tracing::warn!(error, "assets_json stays in the cache");
    }
    Ok(())
}
