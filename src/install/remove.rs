//! `apps remove`: uninstalls an app from the site, with its DocTypes and their data.
//!
//! If it is killed, the next try continues: Frappe removes the app from the site's list last.

use super::{InstallContext, back_up, publish_installed, run};
use crate::apps::shared_apps;
use crate::frappe::{hooks, installed_apps};
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::overlay::BenchOverlay;
use crate::record::journal;
use crate::status::operation::StepName;

/// Uninstalls one app from the site, after a backup. [`refuse_removal`] has been asked before anything was changed.
///
/// # Errors
/// 75 if Frappe fails.
pub async fn remove(work: &InstallContext<'_>, app: &str) -> Flow<()> {
    let client = work.leadership.client();
    let installed = installed_apps::read(client).await?;
    let journal = journal::read(client, work.context.site).await?;
    let is_unfinished = journal.get(app).is_some_and(|entry| !entry.finished);
    if is_unfinished || installed.iter().any(|installed| installed == app) {
        back_up(work).await?;
        let mut arguments = vec!["uninstall-app", app, "--yes", "--no-backup"];
        if is_unfinished {
            // Frappe's list has an app only after its DocTypes.
            arguments.push("--force");
        }
        run(work, StepName::UninstallApp(app.to_string()), arguments).await?;
        // uninstall-app exits 0 whatever it did (seen on Frappe 15).
        if installed_apps::read(client).await?.iter().any(|installed| installed == app) {
            let cause = format!("uninstall-app {app} exited 0, and the site still has {app}");
            return Err(Fault::try_again(cause, "read Frappe's reason in the log above").into());
        }
        tracing::info!(event = "app.removed", app, "app removed from the site");
    } else {
        tracing::info!(event = "app.not_installed", app, "the app is not installed on the site");
    }
    journal::forget(client, work.context.site, app).await?;
    shared_apps::unlink_app(&work.context.pod.bench, app)?;
    publish_installed(work).await
}

/// # Errors
/// 78 for frappe itself, for an app that is still in the list of wanted apps, and for one that an installed app requires.
pub fn refuse_removal(
    overlay: &BenchOverlay,
    app: &str,
    wanted: &[String],
    installed: &[String],
) -> Result<()> {
    if app == "frappe" {
        let fault = Fault::configuration("frappe cannot be removed from a site", "name another app");
        return Err(fault.named(Refusal::AppRequired));
    }
    if wanted.iter().any(|wanted| wanted == app) {
        let hint = "remove it from CAULDRON_APPS first, or the next start would install it again";
        let fault = Fault::configuration(format!("{app} is in the list of wanted apps"), hint);
        return Err(fault.named(Refusal::AppStillWanted));
    }
    let requires = |other: &&String| {
        let package = overlay.package(other);
        package.is_some_and(|package| hooks::required_apps(&package).iter().any(|required| required == app))
    };
    match installed.iter().find(requires) {
        Some(other) => {
            let cause = format!("{other} is installed and requires {app}");
            Err(Fault::configuration(cause, format!("remove {other} first")).named(Refusal::AppRequired))
        }
        None => Ok(()),
    }
}
