//! What this code is to the database, what a leader would migrate, and whether a migration is half done.

use tokio_postgres::Client;

use super::clock::Clock;
use super::configuration::Known;
use super::finding::Finding;
use super::id::Id;
use crate::code::relation::Relation;
use crate::migrate::decide::Decision;
use crate::migrate::plan::{self, MigrationPlan};
use crate::outcome::Result;
use crate::record::stage::Stage;
use crate::supervise::process::Processes;

const NOT_PUBLISHED: &str = "the wanted apps are not published yet: a leader does that first";
const ALL: [Id; 3] = [Id::Fingerprint, Id::Gate, Id::PendingPatches];

/// Looks at code and record, in a time of its own: a cold volume reads slowly.
///
/// # Errors
/// The finding that it did not end in time.
pub async fn plan(
    known: &Known,
    site: &str,
    client: &Client,
    processes: &Processes,
    always: bool,
    clock: Clock,
) -> std::result::Result<Result<Option<MigrationPlan>>, Finding> {
    let look = plan::plan(&known.config, &known.bench, site, client, processes, always);
    clock.ask(Id::Fingerprint, site, look).await
}

/// Every look; `client` is a session on a complete site.
pub async fn look(
    known: &Known,
    client: std::result::Result<&Client, &str>,
    processes: &Processes,
    always: bool,
    clock: Clock,
) -> Vec<Finding> {
    let client = match client {
        Ok(client) => client,
        Err(reason) => return skipped(known, reason),
    };
    let site = subject(known);
    let beside = |first: Finding, reason: &str| {
        let others = ALL.into_iter().filter(|id| *id != first.id);
        let others: Vec<Finding> = others.map(|id| Finding::skipped(id, site, reason)).collect();
        [vec![first], others].concat()
    };
    match plan(known, site, client, processes, always, clock).await {
        Ok(Ok(Some(plan))) => vec![fingerprint(site, &plan), gate(site, &plan), pending(&plan)],
        Ok(Ok(None)) => skipped(known, NOT_PUBLISHED),
        Ok(Err(fault)) => beside(Finding::fault(Id::Fingerprint, site, &fault), &fault.cause),
        Err(silent) => beside(silent, "the look at the apps did not end"),
    }
}

/// All of them, for one reason.
pub fn skipped(known: &Known, reason: &str) -> Vec<Finding> {
    ALL.map(|id| Finding::skipped(id, subject(known), reason)).into()
}

fn subject(known: &Known) -> &str {
    known.config.site.as_deref().unwrap_or("SITE_NAME")
}

fn fingerprint(site: &str, plan: &MigrationPlan) -> Finding {
    let id = Id::Fingerprint;
    let (pod, database) = plan.fingerprints();
    let relation = plan.relation().description();
    let told = format!("{relation}: {pod}, and the database {}", database.unwrap_or("unknown"));
    let decision = plan.decision();
    match decision {
        Decision::Serve => Finding::ok(id, site, format!("{relation}: {pod}")),
        Decision::Migrate { .. } => {
            let first = plan.first_patches().first().map(|first| format!(", the first: {first}"));
            let first = first.unwrap_or_default();
            let detail =
                format!("{told}; the next leader would {}: {}{first}", decision.text(), plan.pending());
            Finding::info(id, site, detail)
        }
        Decision::Wait(running) => Finding::info(id, site, format!("{told}; {running}")),
        Decision::ServeRolledBack => Finding::warning(
            id,
            site,
            format!("{told}; it would {}", decision.text()),
            "go back to the newer code when it is mended, or restore the backup from before it",
        ),
        Decision::Refuse(refusal) if plan.gate().is_half_done() => {
            Finding::skipped(id, site, &refusal.fault().cause)
        }
        Decision::Refuse(refusal) => Finding::fault(id, site, &refusal.fault()),
    }
}

fn pending(plan: &MigrationPlan) -> Finding {
    let (id, subject) = (Id::PendingPatches, "patches.txt");
    match (plan.patches().next(), plan.relation()) {
        (Some(first), _) => Finding::warning(
            id,
            subject,
            format!("{} not in Patch Log, the first: {first}", plan.patches().count()),
            "run `bench migrate` with this version of the code",
        ),
        (None, Relation::Equal) => Finding::ok(id, subject, "none: the database is of this very code"),
        (None, _) => Finding::ok(id, subject, "every entry is in Patch Log"),
    }
}

fn gate(site: &str, plan: &MigrationPlan) -> Finding {
    let (id, gate) = (Id::Gate, plan.gate());
    match (gate.stage, plan.decision()) {
        (Stage::Open, _) => Finding::ok(id, site, "open: no migration is on its way"),
        (_, Decision::Wait(running)) => Finding::info(id, site, running.to_string()),
        (Stage::Failed, _) => {
            Finding::error(id, crate::outcome::TRY_AGAIN, site, gate.remedy(), "choose one of these")
        }
        (stage, _) => Finding::warning(
            id,
            site,
            format!("the leader of a migration was gone while it was {}", stage.as_str()),
            "the next leader goes on from there",
        ),
    }
}
