//! What the gate would do here, for who only looks: `plan` and `doctor`.

use serde_json::{Value, json};
use tokio_postgres::Client;

use super::admit::{Standing, blocked, judge, leader_is_alive};
use super::refusal;
use crate::apps;
use crate::bench::Bench;
use crate::code::Code;
use crate::code::relation::Relation;
use crate::config::Config;
use crate::frappe::installed_apps;
use crate::outcome::{Fault, Result};
use crate::overlay::Roots;
use crate::postgres::sql::told;
use crate::record::migrations::{self, Gate, Tried};
use crate::record::stage::Stage;
use crate::record::state::{self, State};
use crate::supervise::process::Processes;

/// Patches that are named.
const SHOWN: usize = 5;

/// What was seen.
pub struct Foresight {
    standing: Standing,
    state: State,
    tried: Tried,
    /// On average, by the history.
    ms_per_patch: Option<i64>,
    id: String,
    allowed: Option<String>,
    takes_backup: bool,
}

/// What follows from it.
#[derive(Debug, PartialEq, Eq)]
pub enum Course {
    /// There is nothing to migrate.
    Serve,
    /// It was migrated away from.
    ServeRolledBack,
    Migrate {
        /// Without maintenance, and nobody is stopped.
        quiet: bool,
    },
    /// A leader is at it.
    Wait(String),
    Refuse(Fault),
}

/// Looks at code, record and tables of a complete site; changes nothing. None where the code is not there yet: a
/// leader fetches wanted apps first.
pub async fn foresee(
    config: &Config,
    bench: &Bench,
    site: &str,
    client: &Client,
    processes: &Processes,
) -> Result<Option<Foresight>> {
    let state = state::read(client, site).await.map_err(told("cannot read our state"))?.unwrap_or_default();
    let installed = installed_apps::read(client).await?;
    let Some(joined) = apps::joined_by(config, bench)? else { return Ok(None) };
    let roots = Roots::new(bench, &joined, std::env::var_os("PYTHONPATH"));
    let packages = installed.iter().filter_map(|app| Some((app.clone(), roots.package(app)?))).collect();
    let code = Code::only_look(bench, packages).await?;
    let standing = judge(processes, client, site, &code, &installed, &state).await?;
    let (mut tried, mut ms_per_patch) = (Tried::default(), None);
    if state.of_these_tables {
        tried = migrations::tried(client, site, &standing.fingerprint).await?;
        ms_per_patch = migrations::ms_per_patch(client, site).await?;
    }
    let id = refusal::id(&standing.fingerprint, state.fingerprint.as_deref());
    let (allowed, takes_backup) = (config.allow_downgrade.clone(), config.backup > 0);
    Ok(Some(Foresight { standing, state, tried, ms_per_patch, id, allowed, takes_backup }))
}

impl Foresight {
    pub fn relation(&self) -> &Relation {
        &self.standing.relation
    }

    pub fn gate(&self) -> &Gate {
        &self.state.gate
    }

    /// The pod that is at it now, and what it does.
    pub fn running(&self) -> Option<String> {
        let is_running = self.gate().stage != Stage::Open && leader_is_alive(&self.state);
        let holder = self.state.holder.as_deref().unwrap_or("a pod");
        let doing = self.state.doing.as_deref().unwrap_or_default();
        is_running.then(|| format!("{holder} migrates the site: {doing}"))
    }

    /// What a leader with this code would do.
    pub fn course(&self) -> Course {
        let relation = self.relation();
        if let Some(running) = self.running() {
            return Course::Wait(running);
        }
        if let Some(remedy) = blocked(self.gate(), relation) {
            return Course::Refuse(Fault::try_again(remedy, "choose one of these"));
        }
        match relation {
            Relation::Equal => return Course::Serve,
            Relation::RolledBack => return Course::ServeRolledBack,
            Relation::Incomplete(why) => return Course::Refuse(refusal::incomplete(why)),
            Relation::Older(why) | Relation::Unknown(why) if self.allowed.as_ref() != Some(&self.id) => {
                return Course::Refuse(refusal::fault(why, &self.id));
            }
            Relation::Newer | Relation::Older(_) | Relation::Unknown(_) => {}
        }
        if self.tried.was_often_enough() {
            return Course::Refuse(refusal::gave_up(self.gate(), &self.tried));
        }
        let quiet = !self.standing.evidence.is_anything_pending() && !self.gate().is_half_done();
        Course::Migrate { quiet }
    }

    /// The stages that are before it, in their order.
    pub fn steps(&self) -> Vec<String> {
        let Course::Migrate { quiet } = self.course() else { return Vec::new() };
        let migrate = format!("migrate: {}", self.pending());
        let mut steps = vec!["import every app and find every pending patch".to_string()];
        if self.takes_backup && !self.gate().is_half_done() {
            steps.push("back up the database".into());
        }
        if quiet {
            steps.push(migrate);
            steps.push("clear caches, and load the code anew in web".into());
            return steps;
        }
        steps.push("stop the workers, and wait for running jobs, while web serves".into());
        steps.push("maintenance".into());
        steps.push(migrate);
        steps.push("clear caches, load the code anew in web, end maintenance, workers again".into());
        steps
    }

    /// How much there is to do, and how long that takes.
    pub fn pending(&self) -> String {
        let evidence = &self.standing.evidence;
        let count =
            |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "es" });
        let (patches, doctypes) = (evidence.pending().count(), evidence.doctypes.len());
        let mut text = format!("{}, {doctypes} changed DocType(s)", count(patches, "patch"));
        if !evidence.orphans.is_empty() {
            text.push_str(&format!(", {} DocType(s) to be deleted", evidence.orphans.len()));
        }
        if let Some(estimate_s) = self.estimate_s() {
            text.push_str(&format!(", about {estimate_s} s by the history"));
        }
        text
    }

    fn estimate_s(&self) -> Option<i64> {
        let patches =
            i64::try_from(self.standing.evidence.pending().count()).ok().filter(|count| *count > 0)?;
        Some((self.ms_per_patch? * patches / 1_000).max(1))
    }

    /// The first pending patches.
    pub fn first_patches(&self) -> Vec<&str> {
        self.standing.evidence.pending().take(SHOWN).collect()
    }

    pub fn fingerprints(&self) -> (&str, Option<&str>) {
        (&self.standing.fingerprint, self.state.fingerprint.as_deref())
    }

    pub fn json(&self) -> Value {
        let evidence = &self.standing.evidence;
        let (pod, database) = self.fingerprints();
        json!({
            "relation": self.relation().told(),
            "why": self.relation().why(),
            "fingerprint": {"pod": pod, "database": database},
            "stage": self.gate().stage.name(),
            "pending": {
                "patches": evidence.pending().collect::<Vec<_>>(),
                "doctypes": evidence.doctypes.iter().map(|change| &change.name).collect::<Vec<_>>(),
                "to_be_deleted": evidence.orphans,
            },
            "estimate_s": self.estimate_s(),
            "attempts": self.tried.attempts,
            "course": self.course().told(),
        })
    }
}

impl Course {
    pub fn told(&self) -> String {
        match self {
            Self::Serve => "serve: nothing is to be migrated".into(),
            Self::ServeRolledBack => "serve as a rollback, and never migrate".into(),
            Self::Migrate { quiet: true } => "migrate; nothing is pending, so nobody is stopped".into(),
            Self::Migrate { quiet: false } => "migrate".into(),
            Self::Wait(running) => format!("wait: {running}"),
            Self::Refuse(fault) => format!("refuse ({}): {}", fault.code, fault.cause),
        }
    }

    pub fn refusal(&self) -> Option<&Fault> {
        if let Self::Refuse(fault) = self { Some(fault) } else { None }
    }
}
