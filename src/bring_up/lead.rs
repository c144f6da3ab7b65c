//! The leader's way, from the lock to its release.

use super::act::{Joined, Plan, act};
use super::prepare::{Prepared, prepare};
use super::{Bootstrapped, copy, follow};
use crate::create::requirements::{may_create_tables, needed_for_creation};
use crate::frappe::common_config::{self, Merged, Overrides};
use crate::leader::context::{Context, Purpose};
use crate::leader::lock::Leadership;
use crate::migrate::refusal::Refusal;
use crate::migrate::run::Outcome;
use crate::outcome::{Fault, Flow, Result, Stopped};
use crate::record::exclusive_lock::SiteHold;
use crate::record::timing::LAST_WORDS;
use crate::record::volume::Volume;
use crate::record::{schema, state};
use crate::site_state::decide::{Action, Names, decide};

/// # Errors
/// As [`bootstrap`](super::bootstrap).
pub async fn lead(context: &Context<'_>) -> Flow<Bootstrapped> {
    let volume = Volume::open(context.pod.bench.cauldron_site(context.site))?;
    let prepared = context.pod.shutdown.guard(async { Ok(prepare(context, &volume).await?) }).await?;
    if let Err(fault) = schema::refuse_newer(prepared.records.schema) {
        // The lock ends with the session: our name is not in the record, so there is nothing to take out of it.
        drop(prepared);
        return without_leading(context, fault).await;
    }
    let action = decided(context, &prepared).await?;
    let Prepared { mut leadership, own, password, observation, records, accepts_settings } = prepared;
    let settled = copy::settle(context, &records, &volume, &action)?;
    leadership.claim(&settled.install_id, context.pod.config.instance.as_deref(), &holder()).await?;
    let overrides = write_common_config(context).await?;
    let plan = Plan {
        own: &own,
        password: &password,
        action: &action,
        observation: &observation,
        settled: &settled,
        overrides: &overrides,
        accepts_settings,
    };
    let joined = act_and_release(context, leadership, &volume, &plan).await?;
    come_up(context, joined, &plan).await
}

/// What is to be done; that it can be done is known before anything is.
async fn decided(context: &Context<'_>, prepared: &Prepared) -> Result<Action> {
    let Prepared { leadership, own, observation, .. } = prepared;
    let adopt = context.pod.config.adopt.as_deref();
    let action = decide(observation, &Names { site: context.site, database: &own.database, adopt })?;
    if let Action::Create | Action::CreateAgain { .. } = action {
        if matches!(context.purpose, Purpose::Migrate { .. }) {
            return Err(Fault::configuration(
                format!("there is no site {} to migrate", context.site),
                "`cauldron-frappe bootstrap` makes one",
            ));
        }
        may_create_tables(leadership.client()).await?;
        needed_for_creation(context)?;
    }
    Ok(action)
}

/// Acts, has the record say how that ended, and lets the lock go.
async fn act_and_release(
    context: &Context<'_>,
    leadership: Leadership,
    volume: &Volume,
    plan: &Plan<'_>,
) -> Flow<Joined> {
    let acted = tokio::select! {
        biased;
        acted = act(context, &leadership, volume, plan) => acted,
        // Between steps nobody else sees it: a statement on a connection that stalls never returns.
        fault = async {
            let fault = leadership.lost().await;
            tokio::time::sleep(LAST_WORDS).await;
            fault
        } => Err(fault.into()),
    };
    let last_words = async {
        let (client, site) = (leadership.client(), context.site);
        let _ = match &acted {
            Err(Stopped::Fault(fault)) => state::record_error(client, site, &fault.cause).await,
            Ok(Joined { outcome: Outcome::Open, missing, .. }) if missing.is_empty() => {
                state::clear_error(client, site).await
            }
            Ok(Joined { outcome: Outcome::GaveUp(fault), .. }) => {
                state::record_error(client, site, &fault.cause).await
            }
            _ => Ok(()),
        };
        leadership.release().await;
    };
    if tokio::time::timeout(LAST_WORDS, last_words).await.is_err() {
        tracing::debug!("the connection stalls: the lock ends with it");
    }
    acted
}

/// Up, or down with what the migration came to.
async fn come_up(context: &Context<'_>, joined: Joined, plan: &Plan<'_>) -> Flow<Bootstrapped> {
    let Joined { overlay, missing, outcome } = joined;
    let blocked = match outcome {
        Outcome::Open => None,
        Outcome::Blocked(remedy) => Some(remedy),
        Outcome::GaveUp(fault) if context.purpose == Purpose::Serve => {
            tracing::error!(
                cause = fault.cause,
                hint = fault.hint,
                "staying up, unready, until that is done"
            );
            return context.pod.shutdown.guard(follow::follow(context, Some(&fault))).await;
        }
        Outcome::GaveUp(fault) => return Err(fault.into()),
    };
    if let (Some(remedy), false) = (&blocked, context.purpose == Purpose::Serve) {
        return Err(Refusal::Interrupted(remedy.clone()).fault().into());
    }
    SiteHold::of(&context.pod.bench, context.site).prepare();
    // It comes up all the same, unready: its own front says what can be done.
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

/// A record of a newer release: this one serves the site if its code may, and writes nothing.
async fn without_leading(context: &Context<'_>, fault: Fault) -> Flow<Bootstrapped> {
    match context.purpose {
        Purpose::Serve => {
            tracing::error!(cause = fault.cause, hint = fault.hint, "following instead of leading");
            context.pod.shutdown.guard(follow::follow(context, Some(&fault))).await
        }
        Purpose::Once if context.remove.is_none() => {
            tracing::warn!(cause = fault.cause, hint = fault.hint, "nothing is written");
            context.pod.shutdown.guard(async { Ok(follow::once(context, &fault).await?) }).await
        }
        Purpose::Once | Purpose::Migrate { .. } => Err(fault.into()),
    }
}

/// Under the lock: followers compare, and write nothing.
async fn write_common_config(context: &Context<'_>) -> Result<Overrides> {
    let managed = common_config::managed(&context.pod.config);
    let frappe_major = context.pod.bench.frappe_major();
    match common_config::merge(&context.pod.bench.sites(), &managed, &Vec::new(), frappe_major).await? {
        Merged::Unchanged => Ok(Overrides::new()),
        Merged::Written(keys) => {
            tracing::info!(keys = keys.join(", "), "wrote common_site_config.json");
            Ok(Overrides::new())
        }
        Merged::Overridden(overrides) => {
            let variables = overrides.keys().copied().collect::<Vec<_>>().join(", ");
            tracing::info!(
                variables,
                "common_site_config.json is read-only: its differences go to the environment"
            );
            Ok(overrides)
        }
    }
}

/// How this pod is called in the state.
fn holder() -> String {
    let host = nix::unistd::gethostname()
        .map_or_else(|_| "unknown".into(), |name| name.to_string_lossy().into_owned());
    format!("{host} pid {}", std::process::id())
}
