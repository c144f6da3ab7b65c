//! `migrate`: runs the migration gate on request, beside any role that runs in this container.

use super::once;
use crate::config::Config;
use crate::leader::context::Purpose;
use crate::outcome::Flow;
use crate::status::handle::RoleName;
use crate::supervise::signals::Shutdown;

/// # Errors
/// The fault that kept the database from being migrated to this code.
pub async fn migrate(config: Config, retry: bool, shutdown: &Shutdown) -> Flow<u8> {
    let purpose = Purpose::Migrate { retry };
    once::bring_up(RoleName::Migrate, purpose, None, once::beside_a_role(config), shutdown).await
}
