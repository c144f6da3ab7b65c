//! `bootstrap`: writes the configuration, creates or migrates the site, then exits (for a Job).

use super::once;
use crate::config::Config;
use crate::leader::context::Purpose;
use crate::outcome::Flow;
use crate::status::handle::RoleName;
use crate::supervise::signals::Shutdown;

/// # Errors
/// The fault that kept the site from being ready.
pub async fn bootstrap(config: Config, shutdown: &Shutdown) -> Flow<u8> {
    once::bring_up(RoleName::Bootstrap, Purpose::Once, None, config, shutdown).await
}
