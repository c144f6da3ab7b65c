//! Apps on the site: installs wanted apps, finishes interrupted installs, removes an app on request.
//!
//! ```text
//!   wanted ─▶ order (required_apps) ─▶ decide ─▶ link the code for running pods ─▶ journal: started
//!                                                     ─▶ install-app [--force] ─▶ journal: finished
//! ```
//!
//! Frappe's own record is wrong after a killed install (docs/frappe-sites.md#killed-install-app): before
//! `installed_apps` is written every retry fails, and after it a retry reports success although after_install never
//! ran. Our journal records what was started, and `--force` repairs both cases.

mod decide;
mod jobs;
mod order;
mod remove;

use secrecy::SecretString;

use self::decide::abandoned;
pub use self::decide::{Install, installs};
pub use self::order::order;
pub use self::remove::{refuse_removal, remove};
use crate::apps::shared_apps;
use crate::apps::{self, AppCode};
use crate::create::assets;
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

/// The leader's context for installing apps.
pub struct InstallContext<'a> {
    pub context: &'a OverlayContext<'a>,
    pub leadership: &'a Leadership,
    pub volume: &'a Volume,
    /// The site's database and its role.
    pub own: &'a Own,
    pub password: &'a SecretString,
    /// True if people may have used the site: it was not created by this leader.
    pub was_served: bool,
}

/// Installs every wanted app that the site lacks, in the order of their requirements. Returns the number of installed
/// apps. The unfinished install of an app that is neither wanted nor required is reported and left as it is.
///
/// # Errors
/// 75 if an install fails: the fault names the app, and the next leader finishes it. 78 if an app requires one that is
/// neither wanted nor in the image.
pub async fn install(work: &InstallContext<'_>, wanted: &[String]) -> Flow<usize> {
    let client = work.leadership.client();
    let installed = installed_apps::read(client).await?;
    let journal = journal::read(client, work.context.site).await?;
    let ordered = order(wanted, |app| work.context.overlay.package(app))?;
    let abandoned = abandoned(&ordered, &journal).join(", ");
    if !abandoned.is_empty() {
        tracing::warn!(
            event = "app.install_abandoned",
            apps = abandoned,
            "the installs of these apps were started and not finished, and the apps are not to be installed now: \
             `apps remove` removes what is there"
        );
    }
    let installs = installs(ordered, &installed, &journal);
    if !installs.is_empty() {
        // Pages name an app's assets as soon as Frappe's list has the app: before its install ends, and also if it fails.
        assets::publish(work.context, &work.own.database).await?;
    }
    for Install { app, force } in &installs {
        install_one(work, app, *force).await?;
    }
    publish_installed(work).await?;
    Ok(installs.len())
}

async fn install_one(work: &InstallContext<'_>, app: &str, force: bool) -> Flow<()> {
    let InstallContext { context, leadership, volume, .. } = work;
    let overlay = &context.overlay;
    let client = leadership.client();
    // Running pods without the app's code would answer 500 from the moment of its installation
    // (docs/frappe-contract.md#code-of-a-new-app-in-old-pods).
    let registry = PodRegistry::of(&context.pod.config, &work.own.database, context.site);
    let lacking = match &registry {
        Some(registry) => registry.pods_lacking(app).await,
        None => 0,
    };
    let bundle = bundle_of(overlay, app);
    let copied = if lacking > 0
        && bundle.is_none_or(|bundle| !shared_apps::is_on_the_volume(&context.pod.bench, bundle))
    {
        apps::copy_to_volume(context.pod, app, overlay.code().iter().find(|code| code.app() == app)).await?
    } else {
        None
    };
    if let Some(bundle_on_volume) = copied.as_ref().or(bundle) {
        shared_apps::link_app(&context.pod.bench, bundle_on_volume)?;
    }
    let mut all = installed_apps::read(client).await?;
    if !all.iter().any(|installed| installed == app) {
        all.push(app.to_string());
    }
    volume.write_installed_apps(&all)?;
    overlay.refresh(&all)?;
    if let Some(registry) = registry {
        registry.wait_for(app).await;
    }
    if force {
        tracing::warn!(
            event = "app.install_resumed",
            app,
            "the app's install was started and not finished: repeating it with --force"
        );
        if work.was_served {
            // --force rewrites the app's DocTypes and permissions, including changes by an administrator.
            back_up(work).await?;
        }
    }
    let commit = bundle.map(|bundle| bundle.manifest.commit.as_str());
    journal::start(client, context.site, app, commit).await?;
    let arguments = if force { vec!["install-app", app, "--force"] } else { vec!["install-app", app] };
    run(work, StepName::InstallApp(app.to_string()), arguments).await?;
    if !installed_apps::read(client).await?.iter().any(|installed| installed == app) {
        // The command also exits 0 if a before_install hook refuses (frappe.installer.install_app).
        let cause = format!("install-app {app} exited 0, and the site does not have {app}");
        return Err(Fault::try_again(cause, "read the app's reason in the log above").into());
    }
    jobs::ensure(work, app).await?;
    journal::finish(client, context.site, app).await?;
    tracing::info!(event = "app.installed", app, commit, "app installed");
    Ok(())
}

/// Returns the app's bundle in this pod's overlay, or None for an app of the image.
fn bundle_of<'a>(overlay: &'a BenchOverlay, app: &str) -> Option<&'a crate::apps::bundle::Bundle> {
    overlay.code().iter().find_map(|code| match code {
        AppCode::Bundle(bundle) if bundle.manifest.app == app => Some(bundle),
        _ => None,
    })
}

/// Links the code of the installed apps for pods that lack it, and publishes the list of installed apps to all pods.
///
/// # Errors
/// The volume or the runtime folder cannot be written.
pub async fn publish_installed(work: &InstallContext<'_>) -> Flow<()> {
    let context = work.context;
    let overlay = &context.overlay;
    let installed = installed_apps::read(work.leadership.client()).await?;
    for bundle in installed.iter().filter_map(|app| bundle_of(overlay, app)) {
        shared_apps::link_app(&context.pod.bench, bundle)?;
    }
    work.volume.write_installed_apps(&installed)?;
    overlay.refresh(&installed)?;
    let is_wanted = |app: &String| overlay.code().iter().any(|code| code.app() == app);
    let live = shared_apps::apps(&context.pod.bench);
    let unwanted: Vec<String> =
        installed.into_iter().filter(|app| live.contains(app) && !is_wanted(app)).collect();
    if !unwanted.is_empty() {
        tracing::warn!(
            event = "app.unwanted",
            apps = unwanted.join(", "),
            "these apps are no longer in the list of wanted apps; they stay installed until `apps remove`"
        );
    }
    Ok(())
}

/// Takes a backup before an app of a site that people may have used is rewritten or removed.
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
