//! `migrate`: the gate by hand, beside whatever runs in this container.

use super::once;
use crate::config::Config;
use crate::leader::context::Purpose;
use crate::outcome::Flow;
use crate::supervise::signals::Shutdown;

/// # Errors
/// Why the database is not of this code.
pub async fn migrate(config: Config, retry: bool, shutdown: &Shutdown) -> Flow<u8> {
    let purpose = Purpose::Migrate { retry };
    once::bring_up("migrate", purpose, None, once::beside_a_role(config), shutdown).await
}
