//! What the code of this pod is to the database, and whether it may serve.

use std::collections::BTreeMap;
use tokio_postgres::Client;

use super::decide::Assessment;
use super::evidence;
use crate::code::Code;
use crate::code::relation::{Evidence, Relation, relation};
use crate::frappe::installed_apps::installed_apps;
use crate::leader::context::{Context, OverlayContext};
use crate::outcome::Result;
use crate::overlay::BenchOverlay;
use crate::record::migrations::Released;
use crate::record::migrations::{self, Tried};
use crate::record::stage::Stage;
use crate::record::state::State;
use crate::record::timing::{MIGRATION_BELIEVED_FOR, has_reached};
use crate::status::gate::RunningMigration;
use crate::status::handle::StatusHandle;
use crate::supervise::process::Processes;

/// What was found.
pub struct Standing {
    pub fingerprint: String,
    /// Of the installed apps.
    pub released: BTreeMap<String, Released>,
    pub relation: Relation,
    pub evidence: Evidence,
    /// The history of this code, where it was read on the way.
    pub tried: Option<Tried>,
}

/// Reads what decides whether a site is migrated; changes nothing.
pub async fn assess(
    processes: &Processes,
    client: &Client,
    site: &str,
    code: &Code,
    installed: &[String],
    state: &State,
) -> Result<Assessment> {
    let standing = judge(processes, client, site, code, installed, state).await?;
    let tried = match standing.tried.clone() {
        Some(tried) => tried,
        None if state.of_these_tables => migrations::tried(client, site, &standing.fingerprint).await?,
        None => Tried::default(),
    };
    let (recorded, gate) = (state.fingerprint.clone(), state.gate.clone());
    Ok(Assessment { standing, recorded, gate, tried, running: running(state) })
}

/// The same for the leader, who tells what was found: under its lock nobody else migrates.
pub async fn assess_as_leader(
    context: &OverlayContext<'_>,
    client: &Client,
    state: &State,
) -> Result<Assessment> {
    let installed = installed_apps(client).await?;
    let code = Code::look(&context.overlay).await?;
    let seen = assess(&context.pod.processes, client, context.site, &code, &installed, state).await?;
    tell(&context.pod.status, &seen.standing, state);
    Ok(Assessment { running: None, ..seen })
}

/// Looks, and tells what was found.
async fn standing(
    context: &Context<'_>,
    overlay: &BenchOverlay,
    client: &Client,
    state: &State,
) -> Result<Standing> {
    let installed = installed_apps(client).await?;
    let code = Code::look(overlay).await?;
    let site = context.site;
    let standing = judge(&context.pod.processes, client, site, &code, &installed, state).await?;
    tell(&context.pod.status, &standing, state);
    Ok(standing)
}

/// What this code is to the database. Where the fingerprint is the recorded one nothing else is read.
pub async fn judge(
    processes: &Processes,
    client: &Client,
    site: &str,
    code: &Code,
    installed: &[String],
    state: &State,
) -> Result<Standing> {
    let fingerprint = code.fingerprint(installed);
    let equal = state.fingerprint.as_ref() == Some(&fingerprint);
    let mut evidence = if equal {
        let missing = evidence::missing(code, installed);
        Evidence { fingerprint: fingerprint.clone(), missing, ..Evidence::default() }
    } else {
        let recorded = match state.of_these_tables {
            true => migrations::released(client, site).await?,
            false => BTreeMap::new(),
        };
        let mut evidence = evidence::look(client, code, installed, &recorded).await?;
        for app in &mut evidence.apps {
            app.descent = evidence::descent(processes, code, &app.name, &recorded).await;
        }
        evidence
    };
    evidence.recorded.clone_from(&state.fingerprint);
    let tried = match !equal && state.of_these_tables {
        true => Some(migrations::tried(client, site, &fingerprint).await?),
        false => None,
    };
    evidence.in_history = tried.as_ref().is_some_and(|tried| tried.is_migrated);
    let relation = relation(&evidence);
    Ok(Standing { fingerprint, released: code.released(installed), relation, evidence, tried })
}

fn tell(status: &StatusHandle, Standing { fingerprint, relation, .. }: &Standing, state: &State) {
    status.update(|status| {
        status.gate.pod = Some(fingerprint.clone());
        status.gate.database.clone_from(&state.fingerprint);
        status.gate.relation = Some(relation.kind());
        status.gate.stage = Some(state.gate.stage);
    });
}

/// The leader that the record names gives signs of life.
pub fn leader_is_alive(state: &State) -> bool {
    state.holder.is_some() && state.beat_age_ms.is_some_and(|age| !has_reached(age, MIGRATION_BELIEVED_FOR))
}

/// The leader that migrates, as far as the record says.
pub fn running(state: &State) -> Option<RunningMigration> {
    (state.gate.stage != Stage::Open && leader_is_alive(state)).then(|| RunningMigration {
        holder: state.holder.clone(),
        reported: state.doing.clone().unwrap_or_default(),
    })
}

/// Whether no job may begin, as far as the record says.
pub fn holds_workers(state: &State) -> bool {
    state.gate.holds_workers(leader_is_alive(state))
}

/// Why a pod that follows may not serve yet; none where it may.
pub async fn refusal(
    context: &Context<'_>,
    overlay: &BenchOverlay,
    client: &Client,
    state: &State,
) -> Result<Option<String>> {
    let Standing { fingerprint, relation, evidence, .. } = standing(context, overlay, client, state).await?;
    Ok(match relation {
        Relation::Equal => None,
        Relation::RolledBack => {
            tell_rolled_back(&fingerprint, state.fingerprint.as_deref());
            None
        }
        // Nobody ever led here: the site is taken as it is.
        Relation::Newer if state.fingerprint.is_none() && !evidence.is_anything_pending() => None,
        Relation::Newer => Some(match &state.gate.error {
            Some(error) => format!("this code is newer, and the last try to migrate to it failed: {error}"),
            None => "this code is newer than the database, which is to be migrated first".into(),
        }),
        Relation::Older(why) | Relation::Unknown(why) | Relation::Incomplete(why) => Some(why),
    })
}

/// At every start of such a pod.
pub fn tell_rolled_back(fingerprint: &str, database: Option<&str>) {
    tracing::warn!(
        fingerprint,
        database,
        "this code was migrated away from: a rollback; it serves, and never migrates"
    );
}
