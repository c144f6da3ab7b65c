//! What the gate would do here, for who only looks: `plan` and `doctor`.

use serde_json::{Value, json};
use tokio_postgres::Client;

use super::admit::assess;
use super::decide::{Assessment, Decision, Request, decide, settled};
use crate::apps;
use crate::bench::Bench;
use crate::code::Code;
use crate::code::relation::Relation;
use crate::config::Config;
use crate::frappe::installed_apps;
use crate::outcome::Result;
use crate::overlay::Roots;
use crate::postgres::sql::sql_fault;
use crate::record::migrations::{self, Gate};
use crate::record::state;
use crate::supervise::process::Processes;

/// Patches that are named.
const SHOWN: usize = 5;

/// What a leader with this code would decide, and why.
pub struct MigrationPlan {
    seen: Assessment,
    decision: Decision,
    /// On average, by the history.
    ms_per_patch: Option<i64>,
    takes_backup: bool,
}

/// Looks at code, record and tables of a complete site; changes nothing. None where the code is not there yet: a
/// leader fetches wanted apps first. `always` as the bootstrap asks it.
pub async fn plan(
    config: &Config,
    bench: &Bench,
    site: &str,
    client: &Client,
    processes: &Processes,
    always: bool,
) -> Result<Option<MigrationPlan>> {
    let state =
        state::read(client, site).await.map_err(sql_fault("cannot read our state"))?.unwrap_or_default();
    let installed = installed_apps::read(client).await?;
    let Some(joined) = apps::joined_by(config, bench)? else { return Ok(None) };
    let roots = Roots::new(bench, &joined, std::env::var_os("PYTHONPATH"));
    let packages = installed.iter().filter_map(|app| Some((app.clone(), roots.package(app)?))).collect();
    let code = Code::only_look(bench, packages).await?;
    let seen = assess(processes, client, site, &code, &installed, &state).await?;
    let ms_per_patch = match state.of_these_tables {
        true => migrations::ms_per_patch(client, site).await?,
        false => None,
    };
    let request = Request { always, retry: false, allow_downgrade: config.allow_downgrade.as_deref() };
    let decision = decide(&seen, &request);
    Ok(Some(MigrationPlan { seen, decision, ms_per_patch, takes_backup: config.backup > 0 }))
}

impl MigrationPlan {
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    pub fn relation(&self) -> &Relation {
        &self.seen.standing.relation
    }

    /// As it is on record.
    pub fn gate(&self) -> &Gate {
        &self.seen.gate
    }

    /// The stages that are before it, in their order.
    pub fn steps(&self) -> Vec<String> {
        let Decision::Migrate { no_op, .. } = self.decision else { return Vec::new() };
        let migrate = format!("migrate: {}", self.pending());
        let mut steps = vec!["import every app and find every pending patch".to_string()];
        if self.takes_backup && !settled(self.gate()).is_half_done() {
            steps.push("back up the database".into());
        }
        if no_op {
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
        let evidence = &self.seen.standing.evidence;
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
            i64::try_from(self.seen.standing.evidence.pending().count()).ok().filter(|count| *count > 0)?;
        Some((self.ms_per_patch? * patches / 1_000).max(1))
    }

    /// Every pending patch; none is looked for where the database is of this very code.
    pub fn patches(&self) -> impl Iterator<Item = &str> {
        self.seen.standing.evidence.pending()
    }

    /// The first of them.
    pub fn first_patches(&self) -> Vec<&str> {
        self.patches().take(SHOWN).collect()
    }

    pub fn fingerprints(&self) -> (&str, Option<&str>) {
        (&self.seen.standing.fingerprint, self.seen.recorded.as_deref())
    }

    pub fn json(&self) -> Value {
        let evidence = &self.seen.standing.evidence;
        let (pod, database) = self.fingerprints();
        json!({
            "relation": self.relation().description(),
            "why": self.relation().why(),
            "fingerprint": {"pod": pod, "database": database},
            "stage": self.gate().stage.as_str(),
            "pending": {
                "patches": evidence.pending().collect::<Vec<_>>(),
                "doctypes": evidence.doctypes.iter().map(|change| &change.name).collect::<Vec<_>>(),
                "to_be_deleted": evidence.orphans,
            },
            "estimate_s": self.estimate_s(),
            "attempts": self.seen.tried.attempts,
            "course": self.decision.text(),
        })
    }
}
