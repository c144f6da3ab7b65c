//! What this code is to the database, and whether a migration is half done.

use tokio_postgres::Client;

use super::clock::Clock;
use super::configuration::Known;
use super::finding::Finding;
use super::id::Id;
use crate::migrate::foresight::{self, Course, Foresight};
use crate::outcome::Result;
use crate::record::stage::Stage;
use crate::supervise::process::Processes;

const NOT_PUBLISHED: &str = "the wanted apps are not published yet: a leader does that first";
const ALL: [Id; 2] = [Id::Fingerprint, Id::Gate];

/// Looks at code and record, in a time of its own: a cold volume reads slowly.
///
/// # Errors
/// The finding that it did not end in time.
pub async fn foresee(
    known: &Known,
    site: &str,
    client: &Client,
    processes: &Processes,
    clock: Clock,
) -> std::result::Result<Result<Option<Foresight>>, Finding> {
    let look = foresight::foresee(&known.config, &known.bench, site, client, processes);
    clock.ask(Id::Fingerprint, site, look).await
}

/// Both looks; `client` is a session on a complete site.
pub async fn look(
    known: &Known,
    client: std::result::Result<&Client, &str>,
    processes: &Processes,
    clock: Clock,
) -> Vec<Finding> {
    let site = known.config.site.as_deref().unwrap_or("SITE_NAME");
    let client = match client {
        Ok(client) => client,
        Err(reason) => return skipped(site, reason),
    };
    match foresee(known, site, client, processes, clock).await {
        Ok(Ok(Some(seen))) => vec![fingerprint(site, &seen), gate(site, &seen)],
        Ok(Ok(None)) => skipped(site, NOT_PUBLISHED),
        Ok(Err(fault)) => {
            let gate = Finding::skipped(Id::Gate, site, &fault.cause);
            vec![Finding::fault(Id::Fingerprint, site, &fault), gate]
        }
        Err(silent) => vec![silent, Finding::skipped(Id::Gate, site, "the look at the apps did not end")],
    }
}

/// All of them, for one reason.
pub fn skipped(site: &str, reason: &str) -> Vec<Finding> {
    ALL.map(|id| Finding::skipped(id, site, reason)).into()
}

fn fingerprint(site: &str, seen: &Foresight) -> Finding {
    let id = Id::Fingerprint;
    let (pod, database) = seen.fingerprints();
    let relation = seen.relation().told();
    let told = format!("{relation}: {pod}, and the database {}", database.unwrap_or("unknown"));
    let course = seen.course();
    match &course {
        Course::Serve => Finding::ok(id, site, format!("{relation}: {pod}")),
        Course::Migrate { .. } => {
            let first = seen.first_patches().first().map(|first| format!(", the first: {first}"));
            let first = first.unwrap_or_default();
            let detail =
                format!("{told}; the next leader would {}: {}{first}", course.told(), seen.pending());
            Finding::info(id, site, detail)
        }
        Course::Wait(running) => Finding::info(id, site, format!("{told}; {running}")),
        Course::ServeRolledBack => Finding::warning(
            id,
            site,
            format!("{told}; it would {}", course.told()),
            "go back to the newer code when it is mended, or restore the backup from before it",
        ),
        Course::Refuse(fault) if seen.gate().is_half_done() => Finding::skipped(id, site, &fault.cause),
        Course::Refuse(fault) => Finding::fault(id, site, fault),
    }
}

fn gate(site: &str, seen: &Foresight) -> Finding {
    let (id, gate) = (Id::Gate, seen.gate());
    match (gate.stage, seen.running()) {
        (Stage::Open, _) => Finding::ok(id, site, "open: no migration is on its way"),
        (_, Some(running)) => Finding::info(id, site, running),
        (Stage::Failed, None) => {
            Finding::error(id, crate::outcome::TRY_AGAIN, site, gate.remedy(), "choose one of these")
        }
        (stage, None) => Finding::warning(
            id,
            site,
            format!("the leader of a migration was gone while it was {}", stage.name()),
            "the next leader goes on from there",
        ),
    }
}
