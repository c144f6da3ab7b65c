//! `plan`: which row of the bootstrap's table applies here, what this code is to the database, and what would be
//! done. Changes nothing.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_postgres::Client;

use super::clock::Clock;
use super::configuration::{self, Known};
use super::finding::{self, Finding, Severity};
use super::grants::{self, Presence};
use super::postgres::{self, Postgres};
use super::site::{self, SiteAccess};
use super::{Asked, SWEEP, hide_secrets, migration, own_database, processes, server};
use crate::cli::Format;
use crate::frappe::supported;
use crate::migrate::plan::MigrationPlan;
use crate::migrate::refusal::Refusal;
use crate::outcome::{self, Fault, Flow};
use crate::postgres::sql::sql_fault;
use crate::record::schema;
use crate::site_state::decide::{Action, Database, Names, Observation, decide, row};
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;
use crate::telemetry;

const WHOLE: Duration = Duration::from_secs(14);

/// Looks, and tells on stdout what `bootstrap` would do now. The exit code is the one that it would
/// refuse with.
///
/// # Errors
/// A signal, which ends it at once.
pub async fn plan(asked: &Asked<'_>, shutdown: &Shutdown) -> Flow<u8> {
    let processes = processes()?;
    let look = async { Ok(look(asked, &processes).await) };
    let looked = shutdown.guard(look).await;
    processes.sweep(SWEEP, shutdown.forced()).await;
    let plan = match looked? {
        Ok(plan) => plan,
        Err(findings) => {
            let worst = finding::exit_code(&findings);
            for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
                telemetry::tell(&format!("error: {}: {}; {}", finding.subject, finding.detail, finding.hint));
            }
            return Ok(if worst == outcome::DONE { outcome::UNAVAILABLE } else { worst });
        }
    };
    telemetry::print(&match asked.format {
        Format::Text => plan.text(),
        Format::Json => format!("{}\n", plan.json()),
    });
    Ok(plan.code())
}

struct Plan {
    site: String,
    database: String,
    row: [&'static str; 4],
    decision: Result<Action, Fault>,
    /// What the gate would do; none where it is not asked, or the wanted apps are not published yet.
    gate: Option<MigrationPlan>,
}

async fn look(asked: &Asked<'_>, processes: &Processes) -> Result<Plan, Vec<Finding>> {
    let clock = Clock::ending_at(Instant::now() + WHOLE);
    let known = configuration::read(clock, asked.settings.clone(), asked.embedded).await?;
    hide_secrets();
    if finding::exit_code(&known.findings()) != outcome::DONE {
        return Err(known.findings());
    }
    supported::require(&known.bench)
        .map_err(|fault| vec![Finding::fault(super::Id::BenchFrappe, "apps/frappe", &fault)])?;
    let names = known.names().map_err(|reason| vec![unknown(&reason)])?;
    let (seen, gate) = observe(&known, &names, processes, clock).await?;
    let mut decision = decide(&seen, &names);
    let gate = gate.unwrap_or_else(|fault| {
        decision = Err(fault);
        None
    });
    let refusal = gate.as_ref().and_then(|gate| gate.decision().refusal().map(Refusal::fault));
    if let (Ok(_), Some(refusal)) = (&decision, refusal) {
        decision = Err(refusal);
    }
    Ok(Plan {
        site: names.site.to_string(),
        database: names.database.to_string(),
        row: row(&seen, &names).words(),
        decision,
        gate,
    })
}

fn unknown(reason: &str) -> Finding {
    Finding::error(super::Id::Site, outcome::CONFIGURATION, "plan", reason, "set what is missing")
}

/// What is there; on a complete site what the gate makes of it, too.
type Seen = (Observation, outcome::Result<Option<MigrationPlan>>);

async fn observe(
    known: &Known,
    names: &Names<'_>,
    processes: &Processes,
    clock: Clock,
) -> Result<Seen, Vec<Finding>> {
    let database = known.database().map_err(|reason| vec![unknown(&reason)])?;
    let postgres = Postgres::new(database, clock)
        .map_err(|error| vec![Finding::unreached(super::Id::PostgresConnection, &database.host, &error)])?;
    let (mut findings, opened) = postgres::look(known, &postgres).await;
    let (more, presence) = grants::look(known, &opened).await;
    findings.extend(more);
    let (more, own, own_login) = own_database::site_login(known, &postgres, presence, opened.is_ok()).await;
    findings.push(more);
    let session = server::session(known, &postgres, &opened, own, presence).await;
    let access = SiteAccess { session: session.as_ref().map_err(String::as_str), presence, own_login };
    match (access.session, presence) {
        (Ok(_), _) | (_, Presence::Absent) => {}
        (Err(_), _) => return Err(findings),
    }
    let seen = site::seen(known, &access, names).await;
    let seen = seen.map_err(|fault| vec![Finding::fault(super::Id::Site, names.site, &fault)])?;
    let (Ok(opened), Database::Complete) = (access.session, &seen.database) else {
        return Ok((seen, Ok(None)));
    };
    if let Err(fault) = known_schema(&opened.connection).await {
        return Ok((seen, Err(fault)));
    }
    let Some(always) = site::migrates_always(&seen, names) else { return Ok((seen, Ok(None))) };
    let planned = migration::plan(known, names.site, &opened.connection, processes, always, clock).await;
    Ok((seen, planned.map_err(|silent| vec![silent])?))
}

/// # Errors
/// 78 for the record of a newer release, which this one does not write.
async fn known_schema(client: &Client) -> outcome::Result<()> {
    let version =
        schema::version(client).await.map_err(sql_fault("cannot read the version of our record"))?;
    schema::refuse_newer(version)
}

impl Plan {
    fn code(&self) -> u8 {
        self.decision.as_ref().map_or_else(|fault| fault.code, |_| outcome::DONE)
    }

    fn text(&self) -> String {
        let [database, folder, mark, action] = self.row;
        let mut text = format!(
            "site         {}\ndatabase     {} ({database})\nsite folder  {folder}\nour mark     {mark}\nplan         {action}\n",
            self.site, self.database
        );
        if let Some(gate) = &self.gate {
            let (pod, database) = gate.fingerprints();
            let (relation, database) = (gate.relation().description(), database.unwrap_or("unknown"));
            text.push_str(&format!(
                "this code    {relation}: {pod}, and the database {database}\npending      {}\ngate         {}\n",
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

    /// What would be run, in its order.
    fn steps(&self, action: &Action) -> Vec<String> {
        match (action, &self.gate) {
            (Action::GoOn, Some(gate)) => gate.steps(),
            (Action::GoOn, None) => {
                vec!["fetch and publish the wanted apps; what they would migrate is seen then".into()]
            }
            _ => steps(action).into_iter().map(str::to_string).collect(),
        }
    }

    fn json(&self) -> Value {
        let [database, folder, mark, action] = self.row;
        let refusal = self.decision.as_ref().err();
        json!({
            "site": self.site,
            "database": self.database,
            "row": {"database": database, "site_folder": folder, "our_mark": mark, "action": action},
            "steps": self.decision.as_ref().map(|action| self.steps(action)).unwrap_or_default(),
            "gate": self.gate.as_ref().map(MigrationPlan::json),
            "refusal": refusal.map(|fault| json!({"id": fault.refusal_name(), "cause": fault.cause, "hint": fault.hint, "mend": fault.hint})),
            "exit_code": self.code(),
        })
    }
}

/// What would be run beside the gate, in its order.
fn steps(action: &Action) -> Vec<&'static str> {
    const FINISH: [&str; 2] = ["have an encryption key in place", "record the site as finished"];
    let first: &[&str] = match action {
        Action::Create => &["make role and database where they are absent", "new-site", "enable-scheduler"],
        Action::CreateAgain { .. } => &[
            "clear what the unfinished creation made",
            "set its folder aside",
            "new-site",
            "enable-scheduler",
        ],
        Action::MigrateOnce => &["migrate"],
        Action::Adopt => &["make the site's folder anew", "migrate"],
        Action::GoOn => return Vec::new(),
    };
    [first, &FINISH].concat()
}
