//! `bootstrap`: config and site, then exit (a Job).

use super::once;
use crate::config::Config;
use crate::leader::context::Purpose;
use crate::outcome::Flow;
use crate::supervise::signals::Shutdown;

/// # Errors
/// What kept the site from being there.
pub async fn bootstrap(config: Config, shutdown: &Shutdown) -> Flow<u8> {
    once::bring_up("bootstrap", Purpose::Once, None, config, shutdown).await
}
