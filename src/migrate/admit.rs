//! What the code of this pod is to the database, and whether it may serve.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::evidence;
use crate::code::Code;
use crate::code::relation::{Evidence, Relation, relation};
use crate::leader::context::Context;
use crate::outcome::Result;
use crate::record::migrations::Released;
use crate::record::migrations::{self, Gate};
use crate::record::state::State;
use crate::status::account::Board;
use crate::supervise::process::Processes;

/// A hold of the workers, and a migration, are believed in so long after the leader's last beat.
const LEADER_IS_ALIVE_MS: i64 = 60_000;

/// What was found.
pub struct Standing {
    pub fingerprint: String,
    /// Of the installed apps.
    pub released: BTreeMap<String, Released>,
    pub relation: Relation,
    pub evidence: Evidence,
}

/// Looks, and tells what was found.
pub async fn standing(context: &Context<'_>, client: &Client, state: &State) -> Result<Standing> {
    let installed = evidence::installed_apps(client).await?;
    let code = Code::look(context.view()).await?;
    let site = context.site;
    let standing = judge(context.processes, client, site, &code, &installed, state).await?;
    tell(context.board, &standing.fingerprint, &standing.relation, state);
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
    evidence.in_history =
        !equal && state.of_these_tables && migrations::tried(client, site, &fingerprint).await?.is_migrated;
    let relation = relation(&evidence);
    Ok(Standing { fingerprint, released: code.released(installed), relation, evidence })
}

fn tell(board: &Board, fingerprint: &str, relation: &Relation, state: &State) {
    board.update(|account| {
        account.gate.pod = Some(fingerprint.to_string());
        account.gate.database.clone_from(&state.fingerprint);
        account.gate.relation = Some(relation.word());
        account.gate.stage = state.gate.stage.name();
    });
}

/// The leader that the record names gives signs of life.
pub fn leader_is_alive(state: &State) -> bool {
    state.holder.is_some() && state.beat_age_ms.is_some_and(|age| age < LEADER_IS_ALIVE_MS)
}

/// Whether no job may begin, as far as the record says.
pub fn holds_workers(state: &State) -> bool {
    state.gate.holds_workers(leader_is_alive(state))
}

/// Why a pod that follows may not serve yet; none where it may.
pub async fn refusal(context: &Context<'_>, client: &Client, state: &State) -> Result<Option<String>> {
    let Standing { fingerprint, relation, evidence, .. } = standing(context, client, state).await?;
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

/// Half a migration, of other code than this.
pub fn blocked(gate: &Gate, relation: &Relation) -> Option<String> {
    let goes_on = matches!(relation, Relation::Newer);
    (gate.is_half_done() && !goes_on).then(|| gate.remedy())
}
