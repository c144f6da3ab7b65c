//! `apps fetch`: adds every wanted app to the image.

use std::time::Duration;

use crate::apps::{self, AppCode};
use crate::config::Config;
use crate::outcome::{DONE, Fault, Flow};
use crate::pod::Pod;
use crate::status::handle::{RoleName, StatusHandle};
use crate::supervise::signals::Shutdown;

/// From TERM to KILL for processes that git left behind.
const SWEEP_GRACE: Duration = Duration::from_secs(2);

/// # Errors
/// 78 if no app is configured; otherwise the fault of the app that cannot be fetched.
pub async fn fetch(config: Config, shutdown: &Shutdown) -> Flow<u8> {
    let pod = Pod::start(config, &StatusHandle::new(RoleName::AppsFetch, None), shutdown)?;
    if pod.config.apps.is_empty() {
        let hint = "list the apps in CAULDRON_APPS, CAULDRON_APPS_FILE, STANDARD_APPS or CUSTOM_APPS";
        return Err(Fault::configuration("no app is configured", hint).into());
    }
    let fetched = apps::fetch(&pod).await;
    pod.processes.sweep(SWEEP_GRACE, shutdown.forced()).await;
    for code in fetched? {
        match code {
            AppCode::Baked { app } => {
                tracing::info!(event = "app.already_baked", app, "app is already in the bench");
            }
            AppCode::Bundle(bundle) => {
                let path = bundle.root.display().to_string();
                let (app, version) = (&bundle.manifest.app, &bundle.manifest.version);
                tracing::info!(event = "app.baked", app, version, path, "app added to the image");
            }
        }
    }
    Ok(DONE)
}
