//! The steps of a start, in the order of `bring_up/act.rs`. Pure functions.
//!
//! ```text
//!   role and database ─▶ fetch every app ─▶ publish every app ─▶ create, complete or migrate the site
//!                     ─▶ encryption key ─▶ install-app for each app ─▶ record the site as finished
//! ```

use super::work::Work;
use crate::apps::{self, Foreseen, fetch_step, publish_step};
use crate::install::Install;
use crate::leader::planned_step::PlannedStep;
use crate::site_state::decide::Action;
use crate::status::operation::StepName;

/// The migration of a site that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Migration {
    /// The gate's steps; empty if nothing is migrated.
    Gate(Vec<PlannedStep>),
    /// The gate does not apply: nobody has used the site yet.
    Ungated,
    /// The code that decides it is not published yet.
    Unknown,
}

/// Returns the steps that a leader would run.
pub fn steps(action: &Action, migration: Migration, work: &Work) -> Vec<PlannedStep> {
    let mut steps = Vec::new();
    if *action == Action::Create {
        steps.push(PlannedStep::untimed("create role and database if they do not exist"));
    }
    steps.extend(work.apps.iter().filter_map(fetch));
    steps.extend(work.apps.iter().filter_map(publish));
    steps.extend(site_steps(action, migration, work.has_key));
    let was_served = !matches!(action, Action::Create | Action::CreateAgain { .. });
    for install in &work.installs {
        if install.force && was_served && work.takes_backup {
            steps.push(PlannedStep::timed("back up the database", StepName::PgDump));
        }
        steps.push(install_app(install));
    }
    if *action != Action::Continue {
        steps.push(PlannedStep::untimed("record the site as finished"));
    }
    steps
}

fn fetch(app: &Foreseen) -> Option<PlannedStep> {
    let apps::Work::FetchAndPublish { if_moved } = app.work else { return None };
    let condition = if if_moved { ", if its commit is not published yet" } else { "" };
    let text = format!("fetch {} ({}){condition}", app.label, app.origin);
    Some(PlannedStep::timed(text, fetch_step(&app.label)))
}

fn publish(app: &Foreseen) -> Option<PlannedStep> {
    let what = match app.work {
        apps::Work::None => return None,
        apps::Work::Publish => "requirements, assets and bytecode, from the source on the volume",
        apps::Work::FetchAndPublish { if_moved: false } => "requirements, assets and bytecode",
        apps::Work::FetchAndPublish { if_moved: true } => {
            "requirements, assets and bytecode, if it was fetched"
        }
    };
    Some(PlannedStep::timed(format!("publish {}: {what}", app.label), publish_step(&app.label)))
}

fn site_steps(action: &Action, migration: Migration, has_key: bool) -> Vec<PlannedStep> {
    let key = || (!has_key).then(|| PlannedStep::untimed("ensure an encryption key"));
    let mut steps = match action {
        Action::Create => Vec::new(),
        Action::CreateAgain { .. } => vec![
            PlannedStep::untimed("clear what the unfinished creation made"),
            PlannedStep::untimed("set its folder aside"),
        ],
        Action::Adopt => vec![PlannedStep::untimed("create the site's folder again")],
        Action::MigrateOnce | Action::Continue => Vec::new(),
    };
    match (action, migration) {
        (Action::Create | Action::CreateAgain { .. }, _) => {
            steps.extend([StepName::NewSite, StepName::EnableScheduler].map(PlannedStep::named));
            steps.extend(key());
        }
        (_, Migration::Ungated) => {
            steps.extend([StepName::Migrate, StepName::EnableScheduler].map(PlannedStep::named));
            steps.extend(key());
        }
        (_, Migration::Gate(gate)) => {
            steps.extend(key());
            steps.extend(gate);
        }
        (_, Migration::Unknown) => {
            steps.extend(key());
            let text = "migrate, if the published apps require it: this can be planned only then";
            steps.push(PlannedStep::timed(text, StepName::Migrate));
        }
    }
    steps
}

fn install_app(install: &Install) -> PlannedStep {
    let name = StepName::InstallApp(install.app.clone());
    let repeated = if install.force { " --force: an earlier install did not finish" } else { "" };
    PlannedStep::timed(format!("{name}{repeated}"), name)
}

#[cfg(test)]
mod tests;
