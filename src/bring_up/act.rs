//! The leader's work under the lock: open the overlay, bring the site up, migrate, install the wanted apps.

use secrecy::SecretString;

use super::copy::SiteIdentity;
use crate::apps;
use crate::apps::shared_apps;
use crate::create::new_site::Creation;
use crate::create::requirements::needed_for_creation;
use crate::create::{adopt, assets, clear, new_site, rotation};
use crate::frappe::common_config::{self, Overrides, Wanted};
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

/// The observed state, and the action to take.
pub struct Plan<'a> {
    pub own: &'a Own,
    pub password: &'a SecretString,
    pub action: &'a Action,
    pub observation: &'a Observation,
    pub identity: &'a SiteIdentity,
    /// Settings for the environment, if common_site_config.json cannot be written.
    pub overrides: &'a Overrides,
    pub accepts_settings: bool,
}

/// The result of the leader's work.
pub struct ActOutcome {
    pub overlay: BenchOverlay,
    /// Installed apps that cannot be imported here.
    pub missing: Vec<String>,
    pub outcome: Outcome,
}

/// Executes the plan.
///
/// # Errors
/// The fault or the signal that stopped it; the loss of the lock.
pub async fn act(
    context: &Context<'_>,
    leadership: &Leadership,
    volume: &Volume,
    plan: &Plan<'_>,
) -> Flow<ActOutcome> {
    let creates = matches!(plan.action, Action::Create | Action::CreateAgain { .. });
    let client = leadership.client();
    apps::pins_copy::restore(context.pod, client, context.site).await?;
    let code = apps::prepare(context.pod).await?;
    apps::pins_copy::record(context.pod, client, context.site).await?;
    let installed = if creates { Vec::new() } else { installed_apps::read(client).await? };
    shared_apps::create_folder(&context.pod.bench);
    let overlay = BenchOverlay::open(&context.pod.runtime_dir, &context.pod.bench, code, &installed)?;
    let missing = overlay.missing(&installed);
    if !missing.is_empty() {
        // This code is older than the site, or of another image: any change by it would be wrong.
        return Ok(ActOutcome { overlay, missing, outcome: Outcome::Open });
    }
    if let Some(app) = context.remove {
        let wanted = apps::wanted_on_the_site(&context.pod.config, &context.pod.bench, overlay.code())?;
        install::refuse_removal(&overlay, app, &wanted, &installed)?;
    }
    let context = &OverlayContext { context, overrides: plan.overrides, overlay: overlay.clone() };
    let outcome = bring_up(context, leadership, volume, plan).await?;
    if !matches!(outcome, Outcome::Open) {
        return Ok(ActOutcome { overlay, missing, outcome });
    }
    let is_finished = plan.action == &Action::Continue;
    let work = InstallContext {
        context,
        leadership,
        volume,
        own: plan.own,
        password: plan.password,
        was_served: !creates,
    };
    match context.remove {
        Some(app) => {
            install::remove(&work, app).await?;
            run::record_as_made(context, leadership).await?;
        }
        None => {
            let wanted = apps::wanted_on_the_site(&context.pod.config, &context.pod.bench, overlay.code())?;
            let installed = install::install(&work, &wanted).await?;
            // Every app that was just installed is at this code's version.
            if installed > 0 || !is_finished {
                run::record_as_made(context, leadership).await?;
            } else {
                tracing::info!(
                    event = "site.up_to_date",
                    site = context.site,
                    "the site is up to date; nothing to do"
                );
            }
        }
    }
    assets::publish(context, &plan.own.database).await?;
    if !is_finished {
        new_site::finish(context, leadership, volume).await?;
    }
    Ok(ActOutcome { overlay, missing, outcome })
}

/// Creates, completes or migrates the site.
async fn bring_up(
    context: &OverlayContext<'_>,
    leadership: &Leadership,
    volume: &Volume,
    plan: &Plan<'_>,
) -> Flow<Outcome> {
    let Plan { own, password, action, observation, identity, accepts_settings, .. } = plan;
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
            rotation::apply(context, leadership.client(), own, password, observation.folder).await?;
            identity.apply(context, leadership, volume).await?;
            if let Some(always) = migrates_always(action, &observation.mark) {
                tracing::info!(
                    event = "site.completing",
                    "the site is complete but was never recorded as finished: migrating once"
                );
                ensure_encryption_key(context).await?;
                return run::migrate(context, leadership, volume, &access, always).await;
            }
            new_site::repair(context, leadership).await?;
            set_default_site(context).await?;
        }
        Action::Continue => {
            rotation::apply(context, leadership.client(), own, password, observation.folder).await?;
            identity.apply(context, leadership, volume).await?;
            ensure_encryption_key(context).await?;
            // A kill between the two records of a creation's end leaves the volume's attempt. It is removed here, so
            // that a database that is lost later is not taken for an unfinished creation.
            volume.finish_attempt()?;
            return run::migrate(context, leadership, volume, &access, false).await;
        }
    }
    // Written before the mark, because a follower serves as soon as it sees the mark.
    ensure_encryption_key(context).await?;
    Ok(Outcome::Open)
}

async fn ensure_encryption_key(context: &Context<'_>) -> Result<()> {
    let key = context.pod.config.encryption_key.as_ref();
    site_config::ensure_encryption_key(&context.pod.bench.site(context.site), key).await
}

/// Sets default_site, only at creation: an operator's later change is kept.
async fn set_default_site(context: &Context<'_>) -> Result<()> {
    let only_if_absent = vec![("default_site", context.site.into())];
    let wanted = Wanted { only_if_absent, ..Wanted::default() };
    common_config::merge(&context.pod.bench, &wanted).await.map(drop)
}
