//! `apps remove`: takes an app that is not wanted any more off the site.

use super::once;
use crate::config::Config;
use crate::leader::context::Purpose;
use crate::outcome::Flow;
use crate::supervise::signals::Shutdown;

/// # Errors
/// Why it is still there.
pub async fn remove(config: Config, app: String, shutdown: &Shutdown) -> Flow<u8> {
    once::bring_up("apps remove", Purpose::Once, Some(app), once::beside_a_role(config), shutdown).await
}
