//! `apps fetch`: brings every wanted app into the image.

use std::time::Duration;

use super::site::RuntimeDir;
use crate::apps::{self, AppCode, Context};
use crate::bench::Bench;
use crate::config::Config;
use crate::outcome::{BUG, DONE, Fault, Flow};
use crate::status::account::Board;
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;

/// From TERM to KILL for what git left behind.
const SWEEP: Duration = Duration::from_secs(2);

/// # Errors
/// 78 where none is wanted, or why one cannot be had.
pub async fn fetch(config: Config, shutdown: &Shutdown) -> Flow<u8> {
    let processes = Processes::start()
        .map_err(|error| Fault::new(BUG, format!("no SIGCHLD handler: {error}"), "report this"))?;
    let runtime_dir = RuntimeDir::open(config.runtime_dir.clone())?;
    let (bench, board) = (Bench::new(&config.bench), Board::new("apps fetch", None));
    let context = Context {
        config: &config,
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
