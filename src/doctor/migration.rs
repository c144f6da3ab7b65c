//! Checks of the migration: how this code relates to the database, what a leader would migrate, and whether a migration
//! was interrupted.

use tokio_postgres::Client;

use super::clock::Clock;
use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::code::relation::Relation;
use crate::migrate::decide::Decision;
use crate::migrate::plan::{self, MigrationPlan};
use crate::outcome::Result;
use crate::record::stage::Stage;
use crate::supervise::process::Processes;

const NOT_PUBLISHED: &str = "the wanted apps are not published yet; a leader publishes them first";
const ALL: [Id; 3] = [Id::Fingerprint, Id::Gate, Id::PendingPatches];

/// Plans the migration. It has its own timeout, because reading the code from a cold volume is slow.
///
/// # Errors
/// The finding that the check timed out.
pub async fn plan(
    inputs: &Inputs,
    site: &str,
    client: &Client,
    processes: &Processes,
    always: bool,
    clock: Clock,
) -> std::result::Result<Result<Option<MigrationPlan>>, Finding> {
    let planning = plan::plan(&inputs.config, &inputs.bench, site, client, processes, always);
    clock.run(Id::Fingerprint, site, planning).await
}

/// Runs every check of the migration; `client` is a session on a complete site.
pub async fn check(
    inputs: &Inputs,
    client: std::result::Result<&Client, &str>,
    processes: &Processes,
    always: bool,
    clock: Clock,
) -> Vec<Finding> {
    let client = match client {
        Ok(client) => client,
        Err(reason) => return skipped(inputs, reason),
    };
    let site = subject(inputs);
    let with_skipped = |first: Finding, reason: &str| {
        let others = ALL.into_iter().filter(|id| *id != first.id);
        let others: Vec<Finding> = others.map(|id| Finding::skipped(id, site, reason)).collect();
        [vec![first], others].concat()
    };
    match plan(inputs, site, client, processes, always, clock).await {
        Ok(Ok(Some(plan))) => vec![fingerprint(site, &plan), gate(site, &plan), pending(&plan)],
        Ok(Ok(None)) => skipped(inputs, NOT_PUBLISHED),
        Ok(Err(fault)) => with_skipped(Finding::fault(Id::Fingerprint, site, &fault), &fault.cause),
        Err(timed_out) => with_skipped(timed_out, "reading the apps timed out"),
    }
}

/// All checks of the migration, skipped for one reason.
pub fn skipped(inputs: &Inputs, reason: &str) -> Vec<Finding> {
    ALL.map(|id| Finding::skipped(id, subject(inputs), reason)).into()
}

fn subject(inputs: &Inputs) -> &str {
    inputs.config.site.as_deref().unwrap_or("SITE_NAME")
}

fn fingerprint(site: &str, plan: &MigrationPlan) -> Finding {
    let id = Id::Fingerprint;
    let (pod, database) = plan.fingerprints();
    let relation = plan.relation().description();
    let both = format!("{relation}: {pod}, the database {}", database.unwrap_or("unknown"));
    let decision = plan.decision();
    match decision {
        Decision::Serve => Finding::ok(id, site, format!("{relation}: {pod}")),
        Decision::Migrate { .. } => {
            let first = plan.first_patches().first().map(|first| format!(", the first: {first}"));
            let first = first.unwrap_or_default();
            let detail =
                format!("{both}; the next leader would {}: {}{first}", decision.text(), plan.pending());
            Finding::info(id, site, detail)
        }
        Decision::Wait(running) => Finding::info(id, site, format!("{both}; {running}")),
        Decision::ServeRolledBack => Finding::warning(
            id,
            site,
            format!("{both}; it would {}", decision.text()),
            "return to the newer code when it is fixed, or restore the backup from before its migration",
        ),
        Decision::Refuse(refusal) if plan.gate().is_interrupted() => {
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
        (None, Relation::Equal) => Finding::ok(id, subject, "none: the database was migrated to this code"),
        (None, _) => Finding::ok(id, subject, "every entry is in Patch Log"),
    }
}

fn gate(site: &str, plan: &MigrationPlan) -> Finding {
    let (id, gate) = (Id::Gate, plan.gate());
    match (gate.stage, plan.decision()) {
        (Stage::Open, _) => Finding::ok(id, site, "open: no migration is running"),
        (_, Decision::Wait(running)) => Finding::info(id, site, running.to_string()),
        (Stage::Failed, _) => {
            Finding::error(id, crate::outcome::TRY_AGAIN, site, gate.remedy(), "choose one of these options")
        }
        (stage, _) => Finding::warning(
            id,
            site,
            format!("the leader of a migration was lost at stage {}", stage.as_str()),
            "start a pod that leads: it continues the migration",
        ),
    }
}
