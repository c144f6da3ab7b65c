//! The migration that a leader would run here, for `plan` and `doctor`.

use serde_json::{Value, json};
use tokio_postgres::Client;

use super::admit::assess;
use super::decide::{Assessment, Decision, Request, decide, recovered};
use crate::apps;
use crate::bench::Bench;
use crate::code::Code;
use crate::code::relation::Relation;
use crate::config::Config;
use crate::frappe::installed_apps;
use crate::leader::planned_step::PlannedStep;
use crate::outcome::Result;
use crate::overlay::Roots;
use crate::postgres::sql::sql_fault;
use crate::record::gate::Gate;
use crate::record::migrations;
use crate::record::state;
use crate::status::operation::StepName;
use crate::supervise::process::Processes;

/// The number of patches that are shown.
const MAX_SHOWN: usize = 5;

/// The decision that a leader with this code would make, and its reasons.
pub struct MigrationPlan {
    seen: Assessment,
    decision: Decision,
    /// The average of past migrations.
    ms_per_patch: Option<i64>,
    takes_backup: bool,
}

/// Reads code, record and tables of a complete site; changes nothing. Returns None if the code is not available yet,
/// because a leader fetches wanted apps first. `always` has the bootstrap's value.
pub async fn plan(
    config: &Config,
    bench: &Bench,
    site: &str,
    client: &Client,
    processes: &Processes,
    always: bool,
) -> Result<Option<MigrationPlan>> {
    let state =
        state::read(client, site).await.map_err(sql_fault("cannot read our record"))?.unwrap_or_default();
    let installed = installed_apps::read(client).await?;
    let Some(joined) = apps::published_apps_of(config, bench)? else { return Ok(None) };
    let roots = Roots::new(bench, &joined, std::env::var_os("PYTHONPATH"));
    let packages = installed.iter().filter_map(|app| Some((app.clone(), roots.package(app)?))).collect();
    let code = Code::read_only(bench, packages).await?;
    let seen = assess(processes, client, site, &code, &installed, &state).await?;
    let ms_per_patch = match state.matches_tables {
        true => migrations::ms_per_patch(client, site).await?,
        false => None,
    };
    let request = Request { always, retry: false, allow_downgrade: config.allow_downgrade.as_deref() };
    let decision = decide(&seen, &request);
    Ok(Some(MigrationPlan { seen, decision, ms_per_patch, takes_backup: config.migrate_backups > 0 }))
}

impl MigrationPlan {
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    pub fn relation(&self) -> &Relation {
        &self.seen.standing.relation
    }

    /// The migration's state on record.
    pub fn gate(&self) -> &Gate {
        &self.seen.gate
    }

    /// Returns the stages to come, in order.
    pub fn steps(&self) -> Vec<PlannedStep> {
        let Decision::Migrate { no_op, .. } = self.decision else { return Vec::new() };
        let clear_caches = |text: &str| PlannedStep::timed(text, StepName::ClearCache);
        let migrate = PlannedStep::timed(format!("migrate: {}", self.pending()), StepName::Migrate);
        let import = "import every app and find every pending patch";
        let mut steps = vec![PlannedStep::timed(import, StepName::ImportCheck)];
        if self.takes_backup && !recovered(self.gate()).is_interrupted() {
            steps.push(PlannedStep::timed("back up the database", StepName::PgDump));
        }
        if no_op {
            steps.push(migrate);
            steps.push(clear_caches("clear caches, and reload the code in web"));
            return steps;
        }
        steps.push(PlannedStep::untimed("pause the workers and wait for running jobs, while web serves"));
        steps.push(PlannedStep::untimed("maintenance"));
        steps.push(migrate);
        steps.push(clear_caches("clear caches, reload the code in web, end maintenance, resume the workers"));
        steps
    }

    /// Describes how much is pending, and how long it will take.
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

    /// Returns every pending patch. If the database is at this code, patches are not read, and there are none.
    pub fn patches(&self) -> impl Iterator<Item = &str> {
        self.seen.standing.evidence.pending()
    }

    /// Returns the first pending patches.
    pub fn first_patches(&self) -> Vec<&str> {
        self.patches().take(MAX_SHOWN).collect()
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
