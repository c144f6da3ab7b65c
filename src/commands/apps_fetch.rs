//! `apps fetch`: brings every wanted app into the image.

use std::time::Duration;

use crate::apps::{self, AppCode};
use crate::config::Config;
use crate::outcome::{DONE, Fault, Flow};
use crate::pod::Pod;
use crate::status::handle::StatusHandle;
use crate::supervise::signals::Shutdown;

/// From TERM to KILL for what git left behind.
const SWEEP: Duration = Duration::from_secs(2);

/// # Errors
/// 78 where none is wanted, or why one cannot be had.
pub async fn fetch(config: Config, shutdown: &Shutdown) -> Flow<u8> {
    let pod = Pod::start(config, &StatusHandle::new("apps fetch", None), shutdown)?;
    if pod.config.apps.is_empty() {
        let hint = "list the apps in CAULDRON_APPS, CAULDRON_APPS_FILE, STANDARD_APPS or CUSTOM_APPS";
        return Err(Fault::configuration("no app is wanted", hint).into());
    }
    let fetched = apps::fetch(&pod).await;
    pod.processes.sweep(SWEEP, shutdown.forced()).await;
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
