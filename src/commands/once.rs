//! What `bootstrap`, `migrate` and `apps remove` share: the site is brought up once, and not served.

use super::site::Site;
use crate::config::{BootstrapMode, Config};
use crate::leader::context::Purpose;
use crate::outcome::{DONE, Fault, Flow};
use crate::status::handle::StatusHandle;
use crate::supervise::signals::Shutdown;

/// A command that may run beside a role, whose port and probes are its own.
pub fn beside_a_role(config: Config) -> Config {
    Config { bootstrap: BootstrapMode::Lead, health_addr: None, ..config }
}

/// # Errors
/// Why the site cannot be served.
pub async fn bring_up(
    role: &'static str,
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
    let cause = format!("installed on the site and not importable here: {missing}; nothing was changed");
    Err(Fault::configuration(cause, "use the image, or the list of wanted apps, that has it").into())
}
