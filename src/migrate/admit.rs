//! How this pod's code relates to the database, and whether the pod may serve.

use std::collections::BTreeMap;
use tokio_postgres::Client;

use super::decide::{Assessment, recovered};
use super::evidence;
use super::service::{self, Whose};
use crate::code::Code;
use crate::code::relation::{Evidence, Relation, relation};
use crate::frappe::installed_apps;
use crate::leader::context::{Context, OverlayContext};
use crate::outcome::Result;
use crate::overlay::BenchOverlay;
use crate::record::migrations::Released;
use crate::record::migrations::{self, AttemptHistory};
use crate::record::stage::Stage;
use crate::record::state::State;
use crate::record::timing::{MIGRATION_ALIVE_FOR, has_reached};
use crate::status::gate::RunningMigration;
use crate::status::handle::StatusHandle;
use crate::supervise::process::Processes;

/// How this code relates to the database, with the evidence.
pub struct Standing {
    pub fingerprint: String,
    /// The versions of the installed apps.
    pub released: BTreeMap<String, Released>,
    pub relation: Relation,
    pub evidence: Evidence,
    /// The attempts of this code, if they were read on the way.
    pub tried: Option<AttemptHistory>,
}

/// Reads everything that decides whether a site is migrated; changes nothing.
pub async fn assess(
    processes: &Processes,
    client: &Client,
    site: &str,
    code: &Code,
    installed: &[String],
    state: &State,
) -> Result<Assessment> {
    let standing = relate(processes, client, site, code, installed, state).await?;
    with_history(client, site, standing, state).await
}

/// Adds the record to a standing.
async fn with_history(client: &Client, site: &str, standing: Standing, state: &State) -> Result<Assessment> {
    let tried = match standing.tried.clone() {
        Some(tried) => tried,
        None if state.matches_tables => {
            migrations::attempt_history(client, site, &standing.fingerprint).await?
        }
        None => AttemptHistory::default(),
    };
    let (recorded, gate) = (state.fingerprint.clone(), state.gate.clone());
    Ok(Assessment { standing, recorded, gate, tried, running: running(state) })
}

/// Assesses as the leader, and publishes the result in the status. Under its lock no other pod migrates.
pub async fn assess_as_leader(
    context: &OverlayContext<'_>,
    client: &Client,
    state: &State,
) -> Result<Assessment> {
    let standing = standing(context, &context.overlay, client, state).await?;
    let assessment = with_history(client, context.site, standing, state).await?;
    Ok(Assessment { running: None, ..assessment })
}

/// Relates this pod's code to the database, and publishes the result in the status.
async fn standing(
    context: &Context<'_>,
    overlay: &BenchOverlay,
    client: &Client,
    state: &State,
) -> Result<Standing> {
    let installed = installed_apps::read_or_empty(client).await?;
    let code = Code::read(overlay).await?;
    let site = context.site;
    let standing = relate(&context.pod.processes, client, site, &code, &installed, state).await?;
    publish(&context.pod.status, &standing, state);
    Ok(standing)
}

/// Relates the code to the database. If the recorded fingerprint is equal, nothing else is read.
pub async fn relate(
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
        let recorded = match state.matches_tables {
            true => migrations::released(client, site).await?,
            false => BTreeMap::new(),
        };
        let mut evidence = evidence::collect(client, code, installed, &recorded).await?;
        for app in &mut evidence.apps {
            app.descent = evidence::descent(processes, code, &app.name, &recorded).await;
        }
        evidence
    };
    evidence.recorded.clone_from(&state.fingerprint);
    let gate = recovered(&state.gate);
    evidence.was_begun = gate.is_interrupted() && gate.target.as_ref() == Some(&fingerprint);
    let tried = match !equal && state.matches_tables {
        true => Some(migrations::attempt_history(client, site, &fingerprint).await?),
        false => None,
    };
    evidence.in_history = tried.as_ref().is_some_and(|tried| tried.is_migrated);
    let relation = relation(&evidence);
    Ok(Standing { fingerprint, released: code.released(installed), relation, evidence, tried })
}

fn publish(status: &StatusHandle, Standing { fingerprint, relation, .. }: &Standing, state: &State) {
    status.update(|status| {
        status.gate.pod = Some(fingerprint.clone());
        status.gate.database.clone_from(&state.fingerprint);
        status.gate.relation = Some(relation.kind());
        status.gate.stage = Some(state.gate.stage);
    });
}

/// True if the leader named in the record sends a heartbeat.
pub fn leader_is_alive(state: &State) -> bool {
    state.holder.is_some() && state.heartbeat_age_ms.is_some_and(|age| !has_reached(age, MIGRATION_ALIVE_FOR))
}

/// Returns the running migration of another leader, according to the record.
pub fn running(state: &State) -> Option<RunningMigration> {
    (state.gate.stage != Stage::Open && leader_is_alive(state)).then(|| RunningMigration {
        holder: state.holder.clone(),
        reported: state.doing.clone().unwrap_or_default(),
    })
}

/// True if no job may start, according to the record.
pub fn pauses_workers(state: &State) -> bool {
    state.gate.pauses_workers(leader_is_alive(state))
}

/// Returns the reason why a follower may not serve yet, or None if it may.
pub async fn refusal(
    context: &Context<'_>,
    overlay: &BenchOverlay,
    client: &Client,
    state: &State,
) -> Result<Option<String>> {
    let Standing { fingerprint, relation, evidence, .. } = standing(context, overlay, client, state).await?;
    if relation == Relation::RolledBack {
        log_rolled_back(&fingerprint, state.fingerprint.as_deref());
    }
    let whose = Whose::Own { has_record: state.fingerprint.is_some() };
    let reason = service::refusal(whose, &relation, &evidence);
    Ok(reason.map(|reason| match &state.gate.error {
        Some(error) if relation == Relation::Newer => {
            format!("{reason}; the last attempt to migrate to it failed: {error}")
        }
        _ => reason,
    }))
}

/// Logs at every start of a pod whose code was migrated away from.
pub fn log_rolled_back(fingerprint: &str, database: Option<&str>) {
    tracing::warn!(
        event = "migration.code_rolled_back",
        fingerprint,
        database,
        "this code was migrated away from (a rollback): it serves and never migrates"
    );
}
