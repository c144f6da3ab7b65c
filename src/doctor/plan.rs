//! The plan of a bootstrap: which row of the bootstrap's table applies, how this code relates to the database, and
//! what would be done. Changes nothing.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_postgres::Client;

use super::clock::Clock;
use super::configuration::{self, Inputs};
use super::finding::{self, Finding};
use super::grants::{self, Presence};
use super::postgres::{self, Postgres};
use super::site::{self, SiteAccess};
use super::{Report, Request, SWEEP_GRACE, hide_secrets, migration, own_database, server, start_processes};
use crate::frappe::supported;
use crate::migrate::plan::MigrationPlan;
use crate::migrate::refusal::MigrationRefusal;
use crate::outcome::{self, Fault, Flow};
use crate::postgres::sql::sql_fault;
use crate::record::schema;
use crate::site_state::decide::{Action, Database, Names, Observation, decide, row};
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
    let (seen, gate) = observe(&inputs, &names, processes, clock).await?;
    let mut decision = decide(&seen, &names);
    let gate = gate.unwrap_or_else(|fault| {
        decision = Err(fault);
        None
    });
    let refusal = gate.as_ref().and_then(|gate| gate.decision().refusal().map(MigrationRefusal::fault));
    if let (Ok(_), Some(refusal)) = (&decision, refusal) {
        decision = Err(refusal);
    }
    Ok(Plan {
        site: names.site.to_string(),
        database: names.database.to_string(),
        row: row(&seen, &names).columns(),
        decision,
        gate,
    })
}

fn missing_setting(reason: &str) -> Finding {
    Finding::error(super::Id::Site, outcome::CONFIGURATION, "plan", reason, "set the missing variable")
}

/// The observed site and, if it is complete, the plan of the gate.
type Observed = (Observation, outcome::Result<Option<MigrationPlan>>);

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
    let (Ok(opened), Database::Complete) = (access.session, &seen.database) else {
        return Ok((seen, Ok(None)));
    };
    if let Err(fault) = refuse_newer_record(&opened.connection).await {
        return Ok((seen, Err(fault)));
    }
    let Some(always) = site::migrates_always(&seen, names) else { return Ok((seen, Ok(None))) };
    let planned = migration::plan(inputs, names.site, &opened.connection, processes, always, clock).await;
    Ok((seen, planned.map_err(|timed_out| vec![timed_out])?))
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

    pub fn text(&self) -> String {
        let [database, folder, mark, action] = self.row;
        let mut text = format!(
            "site         {}\ndatabase     {} ({database})\nsite folder  {folder}\nour mark     {mark}\n\
             plan         {action}\n",
            self.site, self.database
        );
        if let Some(gate) = &self.gate {
            let (pod, database) = gate.fingerprints();
            let (relation, database) = (gate.relation().description(), database.unwrap_or("unknown"));
            text.push_str(&format!(
                "this code    {relation}: {pod}, the database {database}\npending      {}\ngate         {}\n",
                gate.pending(),
                gate.decision().text()
            ));
            for patch in gate.first_patches() {
                text.push_str(&format!("  {patch}\n"));
            }
        }
        match &self.decision {
            Ok(action) => {
                for (index, step) in self.steps(action).iter().enumerate() {
                    text.push_str(&format!("  {}. {step}\n", index + 1));
                }
            }
            Err(fault) => {
                text.push_str(&format!("refused      {}\nhint         {}\n", fault.cause, fault.hint))
            }
        }
        text
    }

    /// The steps that would run, in order.
    fn steps(&self, action: &Action) -> Vec<String> {
        match (action, &self.gate) {
            (Action::Continue, Some(gate)) => gate.steps(),
            (Action::Continue, None) => {
                vec!["fetch and publish the wanted apps; their migration can be planned only then".into()]
            }
            _ => steps(action).into_iter().map(str::to_string).collect(),
        }
    }

    pub fn json(&self) -> Value {
        let [database, folder, mark, action] = self.row;
        // `mend` is the former name of `hint`; it stays for one minor version.
        let refusal = self.decision.as_ref().err().map(|fault| {
            let (id, hint) = (fault.refusal_name(), &fault.hint);
            json!({"id": id, "cause": fault.cause, "hint": hint, "mend": hint})
        });
        json!({
            "site": self.site,
            "database": self.database,
            "row": {"database": database, "site_folder": folder, "our_mark": mark, "action": action},
            "steps": self.decision.as_ref().map(|action| self.steps(action)).unwrap_or_default(),
            "gate": self.gate.as_ref().map(MigrationPlan::json),
            "refusal": refusal,
            "exit_code": self.exit_code(),
        })
    }
}

/// The steps that would run if the gate does not apply, in order.
fn steps(action: &Action) -> Vec<&'static str> {
    const FINISH: [&str; 2] = ["ensure an encryption key", "record the site as finished"];
    let first: &[&str] = match action {
        Action::Create => &["create role and database if they do not exist", "new-site", "enable-scheduler"],
        Action::CreateAgain { .. } => &[
            "clear what the unfinished creation made",
            "set its folder aside",
            "new-site",
            "enable-scheduler",
        ],
        Action::MigrateOnce => &["migrate"],
        Action::Adopt => &["create the site's folder again", "migrate"],
        Action::Continue => return Vec::new(),
    };
    [first, &FINISH].concat()
}
