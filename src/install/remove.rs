//! `apps remove`: an app leaves the site, with its DocTypes and what is in them.
//!
//! Killed on the way it is still on the site's list, and the next try goes on: Frappe takes it off last.

use super::{InstallContext, back_up, follow, run};
use crate::apps::shared_apps;
use crate::frappe::{hooks, installed_apps};
use crate::outcome::{Fault, Flow, Result};
use crate::record::journal;
use crate::status::operation::StepName;

/// Takes one app off the site, after a backup.
///
/// # Errors
/// 78 where the list of wanted apps still names it or another app requires it; 75 where Frappe fails.
pub async fn remove(work: &InstallContext<'_>, app: &str, wanted: &[String]) -> Flow<()> {
    let client = work.leadership.client();
    let installed = installed_apps::read(client).await?;
    refuse(work, app, wanted, &installed)?;
    if installed.iter().any(|installed| installed == app) {
        back_up(work).await?;
        let arguments = vec!["uninstall-app", app, "--yes", "--no-backup"];
        run(work, StepName::UninstallApp(app.to_string()), arguments).await?;
        // It exits 0 whatever it did (seen on Frappe 15).
        if installed_apps::read(client).await?.iter().any(|installed| installed == app) {
            let cause = format!("uninstall-app {app} exited 0, and the site still has {app}");
            return Err(Fault::try_again(cause, "its own reason is in the log above").into());
        }
        tracing::info!(app, "removed from the site");
    } else {
        tracing::info!(app, "the site does not have it");
    }
    journal::forget(client, work.context.site, app).await?;
    shared_apps::take_away(&work.context.pod.bench, app)?;
    follow(work).await
}

fn refuse(work: &InstallContext<'_>, app: &str, wanted: &[String], installed: &[String]) -> Result<()> {
    if app == "frappe" {
        return Err(Fault::configuration("frappe is the site itself", "name another app"));
    }
    if wanted.iter().any(|wanted| wanted == app) {
        let hint = "take it off CAULDRON_APPS first, or the next start would install it again";
        return Err(Fault::configuration(format!("{app} is in the list of wanted apps"), hint));
    }
    let requires = |other: &&String| {
        let package = work.context.overlay.package(other);
        package.is_some_and(|package| hooks::required_apps(&package).iter().any(|required| required == app))
    };
    match installed.iter().find(requires) {
        Some(other) => {
            let cause = format!("{other} is installed and requires {app}");
            Err(Fault::configuration(cause, format!("remove {other} first")))
        }
        None => Ok(()),
    }
}
