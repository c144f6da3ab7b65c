//! `apps remove`: uninstalls an app that is no longer wanted from the site.

use super::once;
use crate::config::Config;
use crate::leader::context::Purpose;
use crate::outcome::Flow;
use crate::status::handle::RoleName;
use crate::supervise::signals::Shutdown;

/// # Errors
/// The fault that kept the app from being uninstalled.
pub async fn remove(config: Config, app: String, shutdown: &Shutdown) -> Flow<u8> {
    once::bring_up(RoleName::AppsRemove, Purpose::Once, Some(app), once::beside_a_role(config), shutdown)
        .await
}
