//! The one-shot commands: `wait-deps`, `configure`, `bootstrap`, `migrate`.

use super::site::Site;
use crate::bench::Bench;
use crate::cli::Format;
use crate::config::{BootstrapMode, Config};
use crate::deps::{self, DepsTargets};
use crate::frappe::common_config::{self, Merged};
use crate::leader::context::Purpose;
use crate::outcome::{DONE, Fault, Stopped};
use crate::status::account::Board;
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// Init container: returns when the dependencies really work.
pub async fn wait_deps(config: &Config, format: Format, shutdown: &Shutdown) -> Result<u8, Stopped> {
    let targets = DepsTargets::of(config)?;
    let (report, result) = deps::wait(&targets, config.wait_timeout, shutdown, |_| ()).await;
    telemetry::print(&match format {
        Format::Text => report.text(),
        Format::Json => format!("{}\n", report.json()),
    });
    result.map(|_| DONE)
}

/// Writes common_site_config.json, and nothing else.
pub async fn configure(config: &Config, shutdown: &Shutdown) -> Result<u8, Stopped> {
    let bench = Bench::new(&config.bench);
    let managed = common_config::managed(config);
    let default_site = config.site.iter().map(|site| ("default_site", site.clone().into())).collect();
    let merging = async {
        Ok(common_config::merge(&bench.sites(), &managed, &default_site, bench.frappe_major()).await?)
    };
    match shutdown.guard(merging).await? {
        Merged::Unchanged => tracing::info!("common_site_config.json is as it should be"),
        Merged::Written(keys) => tracing::info!(keys = keys.join(", "), "wrote common_site_config.json"),
        // A role makes up for it in its own children; this command has none.
        Merged::Overridden(variables) => {
            let names: Vec<&str> = variables.keys().copied().collect();
            return Err(Fault::configuration(
                "common_site_config.json cannot be written, and differs".to_string(),
                format!("make it writable, or give every Frappe process {}", names.join(", ")),
            )
            .into());
        }
    }
    Ok(DONE)
}

/// Config, site, then exit (a Job).
pub async fn bootstrap(config: Config, shutdown: &Shutdown) -> Result<u8, Stopped> {
    bring_up("bootstrap", Purpose::Once, None, config, shutdown).await
}

/// Takes an app off the site.
pub async fn remove_app(config: Config, app: &str, shutdown: &Shutdown) -> Result<u8, Stopped> {
    // It may run beside a role, whose port and probes are its own.
    let config = Config { bootstrap: BootstrapMode::Lead, health_addr: None, ..config };
    bring_up("apps remove", Purpose::Once, Some(app.to_string()), config, shutdown).await
}

/// The gate by hand, beside whatever runs in this container.
pub async fn migrate(config: Config, retry: bool, shutdown: &Shutdown) -> Result<u8, Stopped> {
    let config = Config { bootstrap: BootstrapMode::Lead, health_addr: None, ..config };
    bring_up("migrate", Purpose::Migrate { retry }, None, config, shutdown).await
}

async fn bring_up(
    role: &'static str,
    purpose: Purpose,
    remove: Option<String>,
    config: Config,
    shutdown: &Shutdown,
) -> Result<u8, Stopped> {
    let board = Board::new(role, config.site.clone());
    let mut site = Site::start(config, &board, shutdown).await?;
    (site.purpose, site.remove) = (purpose, remove);
    let result = site.bring_up(&board, shutdown).await;
    site.stop(shutdown).await;
    let missing = result?.missing.join(", ");
    if missing.is_empty() {
        return Ok(DONE);
    }
    let cause = format!("installed on the site and not importable here: {missing}; nothing was changed");
    Err(Fault::configuration(cause, "use the image, or the list of wanted apps, that has it").into())
}
