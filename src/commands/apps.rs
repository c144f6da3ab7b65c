//! `apps fetch` and `apps list`.

use std::time::Duration;

use super::site::RuntimeDir;
use crate::apps::{self, AppCode, Context};
use crate::bench::Bench;
use crate::cli::Format;
use crate::config::Config;
use crate::frappe::{installed_apps, site_config};
use crate::outcome::{BUG, DONE, Fault, Stopped};
use crate::postgres::{self, Options};
use crate::status::account::Board;
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// From TERM to KILL for what git left behind.
const SWEEP: Duration = Duration::from_secs(2);
/// The report is of use without the site, too.
const ASK_FOR_AT_MOST: Duration = Duration::from_secs(5);

/// Brings every wanted app into the image.
pub async fn fetch(config: &Config, shutdown: &Shutdown) -> Result<u8, Stopped> {
    let processes = Processes::start()
        .map_err(|error| Fault::new(BUG, format!("no SIGCHLD handler: {error}"), "report this"))?;
    let runtime_dir = RuntimeDir::open(config.runtime_dir.clone())?;
    let (bench, board) = (Bench::new(&config.bench), Board::new("apps fetch", None));
    let context = Context {
        config,
        bench: &bench,
        runtime_dir: &runtime_dir.path,
        processes: &processes,
        shutdown,
        board: &board,
    };
    if config.apps.is_empty() {
        let mend = "list the apps in CAULDRON_APPS, CAULDRON_APPS_FILE, STANDARD_APPS or CUSTOM_APPS";
        return Err(Fault::configuration("no app is wanted", mend).into());
    }
    let fetched = apps::fetch(&context).await;
    processes.sweep(SWEEP, shutdown.hurried()).await;
    for code in fetched? {
        match code {
            AppCode::Baked { app } => tracing::info!(app, "the bench has it already"),
            AppCode::Bundle(bundle) => {
                let path = bundle.root.display().to_string();
                tracing::info!(app = bundle.manifest.app, version = bundle.manifest.version, path, "baked");
            }
        }
    }
    Ok(DONE)
}

/// Shows them side by side.
pub async fn list(config: &Config, format: Format, shutdown: &Shutdown) -> Result<u8, Stopped> {
    let bench = Bench::new(&config.bench);
    let asking = async { Ok(tokio::time::timeout(ASK_FOR_AT_MOST, installed(config, &bench)).await) };
    let installed = shutdown.guard(asking).await?;
    let installed = installed.unwrap_or_else(|_| Err("the database did not answer in time".into()));
    let report = apps::list(config, &bench, installed)?;
    telemetry::print(&match format {
        Format::Text => report.text(),
        Format::Json => format!("{}\n", report.json()),
    });
    Ok(DONE)
}

/// The site's own, asked with its own login.
async fn installed(config: &Config, bench: &Bench) -> Result<Vec<String>, String> {
    let (Some(site), Some(database)) = (&config.site, &config.database) else {
        return Err("SITE_NAME or DB_HOST is not set".into());
    };
    let folder = site_config::look(bench, site).map_err(|error| error.to_string())?;
    let own = folder.login().ok_or("the site has no site_config.json yet")?;
    let connection =
        postgres::connect(database, &own.login, &own.database, "cauldron/apps", &Options::default()).await;
    let connection = connection.map_err(|error| error.to_string())?;
    installed_apps::read(&connection).await.map_err(|fault| fault.cause)
}
