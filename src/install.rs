//! Apps on the site: install what is wanted and never was, finish what was begun, remove when told.
//!
//! ```text
//!   wanted ─▶ order (required_apps) ─▶ decide ─▶ give the code to running pods ─▶ journal: started
//!                                                     ─▶ install-app [--force] ─▶ journal: finished
//! ```
//!
//! Frappe's own record lies about an install that was killed (docs/frappe-sites.md#killed-install-app):
//! before `installed_apps` is written a retry fails every time, after it a retry says that all is done though
//! after_install never ran. The journal knows, and `--force` mends both.

mod decide;
mod jobs;
mod order;
mod remove;

use secrecy::SecretString;

use self::decide::{Act, decide};
pub use self::remove::remove;
use crate::apps::shared_apps;
use crate::apps::{self, AppCode};
use crate::frappe::installed_apps;
use crate::leader::backup;
use crate::leader::context::OverlayContext;
use crate::leader::lock::Leadership;
use crate::leader::own::Own;
use crate::leader::step::{self, Step};
use crate::outcome::{Fault, Flow};
use crate::overlay::BenchOverlay;
use crate::overlay::pod_registry::PodRegistry;
use crate::record::journal;
use crate::record::volume::{Volume, random_id};
use crate::status::operation::StepName;

/// What the leader works with.
pub struct InstallContext<'a> {
    pub context: &'a OverlayContext<'a>,
    pub leadership: &'a Leadership,
    pub volume: &'a Volume,
    /// The site's database and its role.
    pub own: &'a Own,
    pub password: &'a SecretString,
    /// Somebody may have worked with the site: it was not created by this very leader.
    pub was_served: bool,
}

/// Installs every wanted app that the site lacks, in the order in which they need each other; how many
/// these were.
///
/// # Errors
/// 75 where an install fails: its app is told, and the next leader finishes it. 78 where an app needs
/// one that is neither wanted nor in the image.
pub async fn install(work: &InstallContext<'_>, wanted: &[String]) -> Flow<usize> {
    let client = work.leadership.client();
    let installed = installed_apps::read(client).await?;
    let journal = journal::read(client, work.context.site).await?;
    let begun = journal.iter().filter(|(_, entry)| !entry.finished).map(|(app, _)| app.clone());
    let wanted: Vec<String> = wanted.iter().cloned().chain(begun).collect();
    let mut count = 0;
    for app in order::order(&wanted, &work.context.overlay)? {
        if let Act::Install { force } = decide(installed.contains(&app), journal.get(&app)) {
            install_one(work, &app, force).await?;
            count += 1;
        }
    }
    follow(work).await?;
    Ok(count)
}

async fn install_one(work: &InstallContext<'_>, app: &str, force: bool) -> Flow<()> {
    let InstallContext { context, leadership, volume, .. } = work;
    let overlay = &context.overlay;
    let client = leadership.client();
    // Pods that run without it would answer 500 from the moment that it is installed
    // (docs/frappe-contract.md#code-of-a-new-app-in-old-pods).
    let signs = PodRegistry::of(&context.pod.config, &work.own.database, context.site);
    let lacked = match &signs {
        Some(signs) => signs.lack(app).await,
        None => 0,
    };
    let bundle = bundle_of(overlay, app);
    let lent = if lacked > 0
        && bundle.is_none_or(|bundle| !shared_apps::is_on_the_volume(&context.pod.bench, bundle))
    {
        apps::copy_to_volume(context.pod, app, overlay.code().iter().find(|code| code.app() == app)).await?
    } else {
        None
    };
    if let Some(given) = lent.as_ref().or(bundle) {
        shared_apps::link_app(&context.pod.bench, given)?;
    }
    let mut all = installed_apps::read(client).await?;
    if !all.iter().any(|installed| installed == app) {
        all.push(app.to_string());
    }
    volume.write_installed_apps(&all)?;
    overlay.follow(&all)?;
    if let Some(signs) = signs {
        signs.wait_for(app).await;
    }
    if force {
        tracing::warn!(app, "its install was begun and not finished: finishing it with --force");
        if work.was_served {
            // It writes the app's DocTypes and permissions anew, over what an administrator changed in them.
            back_up(work).await?;
        }
    }
    let commit = bundle.map(|bundle| bundle.manifest.commit.as_str());
    journal::start(client, context.site, app, commit).await?;
    let arguments = if force { vec!["install-app", app, "--force"] } else { vec!["install-app", app] };
    run(work, StepName::InstallApp(app.to_string()), arguments).await?;
    if !installed_apps::read(client).await?.iter().any(|installed| installed == app) {
        // A before_install that says no ends with 0, too (frappe.installer.install_app).
        let cause = format!("install-app {app} exited 0, and the site does not have {app}");
        return Err(Fault::try_again(cause, "its own reason is in the log above").into());
    }
    jobs::ensure(work, app).await?;
    journal::finish(client, context.site, app).await?;
    tracing::info!(app, commit, "installed");
    Ok(())
}

/// What this pod joined of an app; none for what its image has.
fn bundle_of<'a>(overlay: &'a BenchOverlay, app: &str) -> Option<&'a crate::apps::bundle::Bundle> {
    overlay.code().iter().find_map(|code| match code {
        AppCode::Bundle(bundle) if bundle.manifest.app == app => Some(bundle),
        _ => None,
    })
}

/// Gives pods that lack one of the site's apps the code that the site has now, and tells every pod which
/// apps these are.
///
/// # Errors
/// The volume or the runtime folder cannot be written.
pub async fn follow(work: &InstallContext<'_>) -> Flow<()> {
    let context = work.context;
    let overlay = &context.overlay;
    let installed = installed_apps::read(work.leadership.client()).await?;
    for bundle in installed.iter().filter_map(|app| bundle_of(overlay, app)) {
        shared_apps::link_app(&context.pod.bench, bundle)?;
    }
    work.volume.write_installed_apps(&installed)?;
    overlay.follow(&installed)?;
    let is_wanted = |app: &String| overlay.code().iter().any(|code| code.app() == app);
    let live = shared_apps::apps(&context.pod.bench);
    let unwanted: Vec<String> =
        installed.into_iter().filter(|app| live.contains(app) && !is_wanted(app)).collect();
    if !unwanted.is_empty() {
        tracing::warn!(
            apps = unwanted.join(", "),
            "not in the list of wanted apps any more; they stay installed until `apps remove`"
        );
    }
    Ok(())
}

/// Before an app of a site that people may have worked with is written over, or goes.
async fn back_up(work: &InstallContext<'_>) -> Flow<()> {
    let login = backup::Login { own: work.own, password: work.password };
    backup::take(work.context, work.leadership, &login).await.map(drop)
}

async fn run(work: &InstallContext<'_>, name: StepName, arguments: Vec<&str>) -> Flow<()> {
    let attempt = random_id();
    work.context.pod.status.update(|status| status.attempt = Some(attempt.clone()));
    let step = Step { arguments, with_site: true, ..Step::new(name, &attempt) };
    step::run(work.context, work.leadership, &step).await
}
