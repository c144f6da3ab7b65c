//! `apps list`: a table of the apps that are wanted, pinned, baked and installed.

use std::time::Duration;

use crate::apps;
use crate::bench::Bench;
use crate::cli::Format;
use crate::config::Config;
use crate::frappe::{installed_apps, site_config};
use crate::outcome::{DONE, Flow};
use crate::postgres::{self, Options};
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// The time to read installed_apps. The report is useful without it.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(5);

/// # Errors
/// 78 if the bench or the list of apps cannot be read.
pub async fn list(config: Config, format: Format, shutdown: &Shutdown) -> Flow<u8> {
    let bench = Bench::new(&config.bench);
    let reading = async { Ok(tokio::time::timeout(DATABASE_TIMEOUT, installed(&config, &bench)).await) };
    let installed = shutdown.guard(reading).await?;
    let installed = installed.unwrap_or_else(|_| Err("the database did not answer in time".into()));
    let report = apps::list(&config, &bench, installed)?;
    telemetry::print(&match format {
        Format::Text => report.text(),
        Format::Json => format!("{}\n", report.json()),
    });
    Ok(DONE)
}

/// Reads the site's installed apps with the site's own login. The error says why they are unknown.
async fn installed(config: &Config, bench: &Bench) -> Result<Vec<String>, String> {
    let (Some(site), Some(database)) = (&config.site, &config.database) else {
        return Err("SITE_NAME or DB_HOST is not set".into());
    };
    let folder = site_config::inspect(bench, site).map_err(|error| error.to_string())?;
    let own = folder.login().ok_or("the site has no site_config.json yet")?;
    let connection =
        postgres::connect(database, &own.login, &own.database, "cauldron/apps", &Options::default()).await;
    let connection = connection.map_err(|error| error.to_string())?;
    installed_apps::read(&connection).await.map_err(|fault| fault.cause)
}
