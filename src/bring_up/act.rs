//! What the leader does, under the lock: joins the apps, brings the site up, passes the gate, installs what is wanted.

use secrecy::SecretString;

use super::copy::Settled;
use crate::apps;
use crate::apps::shared_apps;
use crate::create::new_site::Creation;
use crate::create::requirements::needed_for_creation;
use crate::create::{adopt, assets, clear, new_site, rotation};
use crate::frappe::common_config::{self, Overrides};
use crate::frappe::{installed_apps, site_config};
use crate::install::{self, InstallContext};
use crate::leader::context::{Context, OverlayContext};
use crate::leader::lock::Leadership;
use crate::leader::own::Own;
use crate::migrate::run::{self, Access, Outcome};
use crate::outcome::{Flow, Result};
use crate::overlay::BenchOverlay;
use crate::record::volume::Volume;
use crate::site_state::decide::{Action, Observation, migrates_always};

/// What is there, and what is to be done about it.
pub struct Plan<'a> {
    pub own: &'a Own,
    pub password: &'a SecretString,
    pub action: &'a Action,
    pub observation: &'a Observation,
    pub settled: &'a Settled,
    /// Where common_site_config.json cannot be written.
    pub overrides: &'a Overrides,
    pub accepts_settings: bool,
}

/// What the pod sees from now on.
pub struct Joined {
    pub overlay: BenchOverlay,
    /// Installed apps that cannot be imported here.
    pub missing: Vec<String>,
    pub outcome: Outcome,
}

/// # Errors
/// What stopped it, or the signal that did; the loss of the lock.
pub async fn act(
    context: &Context<'_>,
    leadership: &Leadership,
    volume: &Volume,
    plan: &Plan<'_>,
) -> Flow<Joined> {
    let creates = matches!(plan.action, Action::Create | Action::CreateAgain { .. });
    let client = leadership.client();
    apps::pins_copy::restore(context.pod, client, context.site).await?;
    let code = apps::prepare(context.pod).await?;
    apps::pins_copy::record(context.pod, client, context.site).await?;
    let installed = if creates { Vec::new() } else { installed_apps::read(client).await? };
    shared_apps::make(&context.pod.bench);
    let overlay = BenchOverlay::open(&context.pod.runtime_dir, &context.pod.bench, code, &installed)?;
    let missing = overlay.missing(&installed);
    if !missing.is_empty() {
        // This code is older than the site, or another image's: whatever it did would go wrong.
        return Ok(Joined { overlay, missing, outcome: Outcome::Open });
    }
    let context = &OverlayContext { context, overrides: plan.overrides, overlay: overlay.clone() };
    let outcome = bring_up(context, leadership, volume, plan).await?;
    if !matches!(outcome, Outcome::Open) {
        return Ok(Joined { overlay, missing, outcome });
    }
    let is_finished = plan.action == &Action::GoOn;
    let work = InstallContext {
        context,
        leadership,
        volume,
        own: plan.own,
        password: plan.password,
        was_served: !creates,
    };
    let wanted = apps::wanted_on_the_site(context.pod, overlay.code())?;
    match context.remove {
        Some(app) => {
            install::remove(&work, app, &wanted).await?;
            run::record_as_made(context, leadership).await?;
        }
        None => {
            let installed = install::install(&work, &wanted).await?;
            // What was installed is of this very code.
            if installed > 0 || !is_finished {
                run::record_as_made(context, leadership).await?;
            } else {
                tracing::info!(site = context.site, "the site is there; nothing to do");
            }
        }
    }
    assets::publish(context, &plan.own.database).await?;
    if !is_finished {
        new_site::finish(context, leadership, volume).await?;
    }
    Ok(Joined { overlay, missing, outcome })
}

/// The site itself, and the gate.
async fn bring_up(
    context: &OverlayContext<'_>,
    leadership: &Leadership,
    volume: &Volume,
    plan: &Plan<'_>,
) -> Flow<Outcome> {
    let Plan { own, password, action, observation, settled, accepts_settings, .. } = plan;
    let access = Access { own, password, accepts_settings: *accepts_settings };
    match action {
        Action::Create | Action::CreateAgain { .. } => {
            if let Action::CreateAgain { attempt } = action {
                clear::clear(context, leadership.client(), attempt).await?;
            }
            let admin_password = needed_for_creation(context)?;
            let creation =
                Creation { db_name: &own.database, db_password: password, admin_password: &admin_password };
            new_site::create(context, leadership, volume, &creation).await?;
            set_default_site(context).await?;
        }
        Action::MigrateOnce | Action::Adopt => {
            if *action == &Action::Adopt {
                adopt::make_folder(context)?;
                context.link_site()?;
            }
            rotation::follow(context, leadership.client(), own, password, observation.folder).await?;
            settled.apply(context, leadership, volume).await?;
            if let Some(always) = migrates_always(action, &observation.mark) {
                tracing::info!("the site is complete and was never recorded as finished: migrating once");
                ensure_encryption_key(context).await?;
                return run::migrate(context, leadership, volume, &access, always).await;
            }
            new_site::repair(context, leadership).await?;
            set_default_site(context).await?;
        }
        Action::GoOn => {
            rotation::follow(context, leadership.client(), own, password, observation.folder).await?;
            settled.apply(context, leadership, volume).await?;
            ensure_encryption_key(context).await?;
            // A kill between the two records of the end leaves this one; a lost database must not
            // be taken for an unfinished one because of it.
            volume.finish_attempt()?;
            return run::migrate(context, leadership, volume, &access, false).await;
        }
    }
    // Before the mark: a follower serves as soon as it sees that.
    ensure_encryption_key(context).await?;
    Ok(Outcome::Open)
}

async fn ensure_encryption_key(context: &Context<'_>) -> Result<()> {
    let key = context.pod.config.encryption_key.as_ref();
    site_config::ensure_encryption_key(&context.pod.bench.site(context.site), key).await
}

/// Once, at creation: an operator who changes it later keeps the change.
async fn set_default_site(context: &Context<'_>) -> Result<()> {
    let default_site = vec![("default_site", context.site.into())];
    let frappe_major = context.pod.bench.frappe_major();
    common_config::merge(&context.pod.bench.sites(), &Vec::new(), &default_site, frappe_major).await.map(drop)
}
