//! The plan of a bootstrap: which row of the bootstrap's table applies, how this code relates to the database, and
//! what would be done. Changes nothing.

mod report;
mod steps;
mod work;

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;

use self::steps::{Migration, steps};
use self::work::Work;
use super::clock::Clock;
use super::configuration::{self, Inputs};
use super::finding::{self, Finding};
use super::grants::{self, Presence};
use super::postgres::{self, Postgres};
use super::site::{self, SiteAccess};
use super::{Report, Request, SWEEP_GRACE, hide_secrets, migration, own_database, server, start_processes};
use crate::frappe::supported;
use crate::leader::planned_step::PlannedStep;
use crate::migrate::plan::MigrationPlan;
use crate::migrate::refusal::MigrationRefusal;
use crate::outcome::{self, Fault, Flow};
use crate::postgres::sql::sql_fault;
use crate::record::durations::Durations;
use crate::record::schema;
use crate::site_state::decide::{self, Action, Database, Names, Observation, decide, row};
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;

const TOTAL_TIMEOUT: Duration = Duration::from_secs(14);

/// Makes the plan. The inner error has the findings that prevent one.
///
/// # Errors
/// A signal, which ends the inspection at once.
pub async fn inspect(request: &Request<'_>, shutdown: &Shutdown) -> Flow<Result<Plan, Report>> {
    let processes = start_processes()?;
    let planning = async { Ok(make_plan(request, &processes).await) };
    let planned = shutdown.guard(planning).await;
    processes.sweep(SWEEP_GRACE, shutdown.forced()).await;
    Ok(planned?.map_err(Report::new))
}

/// The plan: what `bootstrap` would do now.
pub struct Plan {
    site: String,
    database: String,
    row: [&'static str; 4],
    decision: Result<Action, Fault>,
    /// The gate's plan; None if it does not apply, or if the wanted apps are not published yet.
    gate: Option<MigrationPlan>,
    /// The steps that would run, in order; empty if the bootstrap would refuse.
    steps: Vec<PlannedStep>,
    durations: Durations,
}

async fn make_plan(request: &Request<'_>, processes: &Processes) -> Result<Plan, Vec<Finding>> {
    let clock = Clock::ending_at(Instant::now() + TOTAL_TIMEOUT);
    let inputs = configuration::read(clock, request.settings.clone(), request.embedded).await?;
    hide_secrets();
    if finding::exit_code(&inputs.findings()) != outcome::DONE {
        return Err(inputs.findings());
    }
    supported::require(&inputs.bench)
        .map_err(|fault| vec![Finding::fault(super::Id::BenchFrappe, "apps/frappe", &fault)])?;
    let names = inputs.names().map_err(|reason| vec![missing_setting(&reason)])?;
    let Observed { seen, gate, work } = observe(&inputs, &names, processes, clock).await?;
    let mut decision = decide(&seen, &names);
    let gate = gate.unwrap_or_else(|fault| {
        decision = Err(fault);
        None
    });
    let refusal = gate.as_ref().and_then(|gate| gate.decision().refusal().map(MigrationRefusal::fault));
    if let (Ok(_), Some(refusal)) = (&decision, refusal) {
        decision = Err(refusal);
    }
    let (decision, steps, durations) = match (decision, work) {
        (Ok(action), Ok(work)) => {
            let migration = match (&gate, decide::migrates_always(&action, &seen.mark)) {
                (Some(gate), _) => Migration::Gate(gate.steps()),
                (None, Some(_)) => Migration::Unknown,
                (None, None) => Migration::Ungated,
            };
            let steps = steps(&action, migration, &work);
            (Ok(action), steps, work.durations)
        }
        (Err(fault), _) | (_, Err(fault)) => (Err(fault), Vec::new(), Durations::default()),
    };
    Ok(Plan {
        site: names.site.to_string(),
        database: names.database.to_string(),
        row: row(&seen, &names).columns(),
        decision,
        gate,
        steps,
        durations,
    })
}

fn missing_setting(reason: &str) -> Finding {
    Finding::error(super::Id::Site, outcome::CONFIGURATION, "plan", reason, "set the missing variable")
}

/// The observed site; if it is complete, the plan of the gate; and the other work.
struct Observed {
    seen: Observation,
    gate: outcome::Result<Option<MigrationPlan>>,
    work: outcome::Result<Work>,
}

async fn observe(
    inputs: &Inputs,
    names: &Names<'_>,
    processes: &Processes,
    clock: Clock,
) -> Result<Observed, Vec<Finding>> {
    let database = inputs.database().map_err(|reason| vec![missing_setting(&reason)])?;
    let postgres = Postgres::new(database, clock)
        .map_err(|error| vec![Finding::unreached(super::Id::PostgresConnection, &database.host, &error)])?;
    let (mut findings, opened) = postgres::check(inputs, &postgres).await;
    let (more, presence) = grants::check(inputs, &opened).await;
    findings.extend(more);
    let (more, own, own_login) = own_database::site_login(inputs, &postgres, presence, opened.is_ok()).await;
    findings.push(more);
    let session = server::session(inputs, &postgres, &opened, own, presence).await;
    let access = SiteAccess { session: session.as_ref().map_err(String::as_str), presence, own_login };
    match (access.session, presence) {
        (Ok(_), _) | (_, Presence::Absent) => {}
        (Err(_), _) => return Err(findings),
    }
    let seen = site::observation(inputs, &access, names).await;
    let seen = seen.map_err(|fault| vec![Finding::fault(super::Id::Site, names.site, &fault)])?;
    let client = match (access.session, &seen.database) {
        (Ok(opened), Database::Complete) => Some(&*opened.connection),
        _ => None,
    };
    let timed_out = |finding| vec![finding];
    let work = work::read(inputs, names.site, client, seen.folder, clock).await.map_err(timed_out)?;
    let gate = match client {
        Some(client) => plan_gate(inputs, names, &seen, client, processes, clock).await.map_err(timed_out)?,
        None => Ok(None),
    };
    Ok(Observed { seen, gate, work })
}

async fn plan_gate(
    inputs: &Inputs,
    names: &Names<'_>,
    seen: &Observation,
    client: &Client,
    processes: &Processes,
    clock: Clock,
) -> Result<outcome::Result<Option<MigrationPlan>>, Finding> {
    if let Err(fault) = refuse_newer_record(client).await {
        return Ok(Err(fault));
    }
    let Some(always) = site::migrates_always(seen, names) else { return Ok(Ok(None)) };
    migration::plan(inputs, names.site, client, processes, always, clock).await
}

/// # Errors
/// 78 for the record of a newer release, which this release does not write.
async fn refuse_newer_record(client: &Client) -> outcome::Result<()> {
    let version =
        schema::version(client).await.map_err(sql_fault("cannot read the version of our record"))?;
    schema::refuse_newer(version)
}

impl Plan {
    /// The exit code with which `bootstrap` would refuse; 0 if it would not.
    pub fn exit_code(&self) -> u8 {
        self.decision.as_ref().map_or_else(|fault| fault.code, |_| outcome::DONE)
    }
}
