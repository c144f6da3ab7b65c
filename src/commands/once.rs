//! Shared by `bootstrap`, `migrate` and `apps remove`: brings the site up once, without serving it.

use std::time::Duration;

use super::site::Site;
use crate::config::{BootstrapMode, Config};
use crate::leader::context::Purpose;
use crate::outcome::refusal::Refusal;
use crate::outcome::{DONE, Fault, Flow};
use crate::status::handle::{RoleName, StatusHandle};
use crate::supervise::signals::Shutdown;

/// From TERM to KILL for processes that a program left behind.
pub const SWEEP_GRACE: Duration = Duration::from_secs(2);

/// The configuration of a command that may run beside a role: it leads, and leaves the health port to the role.
pub fn beside_a_role(config: Config) -> Config {
    Config { bootstrap: BootstrapMode::Lead, health_addr: None, ..config }
}

/// # Errors
/// The fault that kept the site from being ready to serve.
pub async fn bring_up(
    role: RoleName,
    purpose: Purpose,
    remove: Option<String>,
    config: Config,
    shutdown: &Shutdown,
) -> Flow<u8> {
    let status = StatusHandle::new(role, config.site.clone());
    let mut site = Site::start(config, &status, shutdown).await?;
    (site.purpose, site.remove) = (purpose, remove);
    let result = site.bring_up().await;
    site.stop().await;
    let missing = result?.missing.join(", ");
    if missing.is_empty() {
        return Ok(DONE);
    }
    let cause =
        format!("installed on the site but not importable in this image: {missing}; nothing was changed");
    let fault =
        Fault::configuration(cause, "use an image, or a list of wanted apps, that includes these apps");
    Err(fault.named(Refusal::CodeIncomplete).into())
}
