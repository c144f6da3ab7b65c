//! The leader's path from the lock to its release.

use super::act::{ActOutcome, Plan, act};
use super::copy::SiteIdentity;
use super::prepare::{Prepared, prepare};
use super::{Bootstrapped, copy, follow};
use crate::bench::file_thread::on_file_thread;
use crate::create::requirements::{may_create_tables, needed_for_creation};
use crate::frappe::bench_id::Rule;
use crate::frappe::common_config::{self, Merged, Overrides, Wanted};
use crate::leader::context::{Context, Purpose};
use crate::leader::lock::Leadership;
use crate::migrate::refusal::MigrationRefusal;
use crate::migrate::run::Outcome;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result, Stopped};
use crate::record::exclusive_lock::ExclusiveLock;
use crate::record::restoring::refuse_unfinished;
use crate::record::timing::LEADER_SHUTDOWN_TIMEOUT;
use crate::record::volume::Volume;
use crate::record::{schema, state};
use crate::site_state::decide::{Action, Names, decide};
use crate::telemetry;

/// Brings the site up as the leader.
///
/// # Errors
/// As [`bootstrap`](super::bootstrap).
pub async fn lead(context: &Context<'_>) -> Flow<Bootstrapped> {
    let volume = Volume::open(context.pod.bench.cauldron_site(context.site))?;
    let prepared = context.pod.shutdown.guard(async { Ok(prepare(context, &volume).await?) }).await?;
    context.pod.shutdown.guard(async { Ok(after_killed_restore(&volume).await?) }).await?;
    if let Err(fault) = schema::refuse_newer(prepared.records.schema) {
        // The lock ends with the session. Our name is not in the record yet, so nothing has to be removed from it.
        drop(prepared);
        return follow_instead(context, fault).await;
    }
    let action = decide_action(context, &prepared).await?;
    let Prepared { mut leadership, own, password, observation, records, accepts_settings } = prepared;
    let identity = copy::determine_identity(context, &records, &volume, &action)?;
    leadership.claim(&identity.install_id, context.pod.config.instance.as_deref(), &pod_name()).await?;
    let overrides = write_common_config(context, &identity).await?;
    let plan = Plan {
        own: &own,
        password: &password,
        action: &action,
        observation: &observation,
        identity: &identity,
        overrides: &overrides,
        accepts_settings,
    };
    let acted = act_and_release(context, leadership, &volume, &plan).await?;
    finish_bring_up(context, acted, &plan).await
}

/// What a restore that was killed while we waited for its lock has left: a site that nobody may use, or, if it had not
/// begun to replace anything, files that it had unpacked.
async fn after_killed_restore(volume: &Volume) -> Result<()> {
    refuse_unfinished(volume.restoring()?.as_ref())?;
    let folder = volume.unpacked();
    let shown = folder.display().to_string();
    if !folder.exists() {
        return Ok(());
    }
    match on_file_thread(move || std::fs::remove_dir_all(folder)).await? {
        Ok(()) => tracing::info!(
            event = "restore.unpacked_removed",
            folder = shown,
            "removed the files that a killed restore had unpacked; it had replaced nothing"
        ),
        Err(error) => tracing::warn!(
            event = "restore.unpacked_not_removed",
            folder = shown,
            %error,
            "cannot remove the files that a killed restore had unpacked"
        ),
    }
    Ok(())
}

/// Decides the action, and checks that it can be carried out before anything is changed.
async fn decide_action(context: &Context<'_>, prepared: &Prepared) -> Result<Action> {
    let Prepared { leadership, own, observation, .. } = prepared;
    let adopt = context.pod.config.adopt.as_deref();
    let action = decide(observation, &Names { site: context.site, database: &own.database, adopt })?;
    if let Action::Create | Action::CreateAgain { .. } = action {
        if matches!(context.purpose, Purpose::Migrate { .. }) {
            return Err(Fault::configuration(
                format!("there is no site {} to migrate", context.site),
                "run `cauldron-frappe bootstrap` to create it",
            )
            .named(Refusal::SiteMissing));
        }
        may_create_tables(leadership.client()).await?;
        needed_for_creation(context)?;
    }
    Ok(action)
}

/// Carries out the action, records how it ended, and releases the lock.
async fn act_and_release(
    context: &Context<'_>,
    leadership: Leadership,
    volume: &Volume,
    plan: &Plan<'_>,
) -> Flow<ActOutcome> {
    let acted = tokio::select! {
        biased;
        acted = act(context, &leadership, volume, plan) => acted,
        // Needed between steps: a statement on a connection that stalls never returns.
        fault = async {
            let fault = leadership.lost().await;
            tokio::time::sleep(LEADER_SHUTDOWN_TIMEOUT).await;
            fault
        } => Err(fault.into()),
    };
    let record_and_release = async {
        let (client, site) = (leadership.client(), context.site);
        let _ = match &acted {
            Err(Stopped::Fault(fault)) => state::record_error(client, site, &fault.cause).await,
            Ok(ActOutcome { outcome: Outcome::Open, missing, .. }) if missing.is_empty() => {
                state::clear_error(client, site).await
            }
            Ok(ActOutcome { outcome: Outcome::GaveUp(fault), .. }) => {
                state::record_error(client, site, &fault.cause).await
            }
            _ => Ok(()),
        };
        leadership.release().await;
    };
    if tokio::time::timeout(LEADER_SHUTDOWN_TIMEOUT, record_and_release).await.is_err() {
        tracing::debug!(event = "leader.release_timed_out", "the connection stalls; the lock ends with it");
    }
    acted
}

/// Turns the outcome of the migration into a site to serve, or into an error.
async fn finish_bring_up(context: &Context<'_>, acted: ActOutcome, plan: &Plan<'_>) -> Flow<Bootstrapped> {
    let ActOutcome { overlay, missing, outcome } = acted;
    let blocked = match outcome {
        Outcome::Open => None,
        Outcome::Blocked(remedy) => Some(remedy),
        Outcome::GaveUp(fault) if context.purpose == Purpose::Serve => {
            tracing::error!(
                event = "leader.gave_up",
                cause = fault.cause,
                hint = fault.hint,
                mend = telemetry::former_key(&fault.hint),
                refusal = fault.refusal_name(),
                "staying up but not ready until the problem is fixed"
            );
            return context.pod.shutdown.guard(follow::follow(context, Some(&fault))).await;
        }
        Outcome::GaveUp(fault) => return Err(fault.into()),
    };
    if let (Some(remedy), false) = (&blocked, context.purpose == Purpose::Serve) {
        return Err(MigrationRefusal::Interrupted(remedy.clone()).fault().into());
    }
    ExclusiveLock::of(&context.pod.bench, context.site).prepare();
    // The pod still comes up, but is not ready: its status page says what can be done.
    context.pod.status.update(|status| status.gate.problem = blocked);
    Ok(Bootstrapped {
        ready: context.ready,
        overrides: plan.overrides.clone(),
        database: plan.own.database.clone(),
        overlay,
        missing,
        accepts_settings: plan.accepts_settings,
    })
}

/// Continues without leading if a newer release wrote the record: this release serves the site if its code may, and
/// writes nothing.
async fn follow_instead(context: &Context<'_>, fault: Fault) -> Flow<Bootstrapped> {
    match context.purpose {
        Purpose::Serve => {
            tracing::error!(
                event = "leader.following_instead",
                cause = fault.cause,
                hint = fault.hint,
                mend = telemetry::former_key(&fault.hint),
                refusal = fault.refusal_name(),
                "following instead of leading"
            );
            context.pod.shutdown.guard(follow::follow(context, Some(&fault))).await
        }
        Purpose::Once if context.remove.is_none() => {
            tracing::warn!(
                event = "leader.not_leading",
                cause = fault.cause,
                hint = fault.hint,
                mend = telemetry::former_key(&fault.hint),
                refusal = fault.refusal_name(),
                "not leading: nothing will be written"
            );
            context.pod.shutdown.guard(async { Ok(follow::once(context, &fault).await?) }).await
        }
        Purpose::Once | Purpose::Migrate { .. } => Err(fault.into()),
    }
}

/// Writes common_site_config.json under the lock. Followers only compare it.
async fn write_common_config(context: &Context<'_>, identity: &SiteIdentity) -> Result<Overrides> {
    let (config, bench) = (&context.pod.config, &context.pod.bench);
    let managed = common_config::managed(config);
    let of_site = common_config::overrides_of_site(&bench.site(context.site), &managed, bench.frappe_major());
    let bench_id = Some(Rule::of_leader(config, identity.is_copy()));
    let wanted = Wanted { managed, bench_id, given: config.common_keys.clone(), ..Wanted::default() };
    match common_config::merge(bench, &wanted).await? {
        Merged::Unchanged => Ok(of_site),
        Merged::Written(keys) => {
            tracing::info!(
                event = "config.common_site_config_written",
                keys = keys.join(", "),
                "wrote common_site_config.json"
            );
            Ok(of_site)
        }
        Merged::Overridden(mut overrides) => {
            let variables = overrides.keys().copied().collect::<Vec<_>>().join(", ");
            tracing::info!(
                event = "config.common_site_config_read_only",
                variables,
                "common_site_config.json is read-only: passing its differences in the environment"
            );
            overrides.extend(of_site);
            Ok(overrides)
        }
    }
}

/// Returns this pod's name for the record.
fn pod_name() -> String {
    let host = nix::unistd::gethostname()
        .map_or_else(|_| "unknown".into(), |name| name.to_string_lossy().into_owned());
    format!("{host} pid {}", std::process::id())
}
