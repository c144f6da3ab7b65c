//! The steps of a start and of an update as people see them: names of steps, and no internal details. Pure
//! functions of the status.

use std::time::Instant;

use crate::record::stage::Stage;
use crate::status::gate::GateStatus;
use crate::status::handle::{Phase, Status};
use crate::status::operation::{LeaderWait, Operation, StepName, StepProgress};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    Running,
    Done,
    Failed,
}

pub struct Step {
    pub name: &'static str,
    pub state: State,
    pub elapsed_s: Option<u64>,
    /// The current action of the step.
    pub now: String,
}

/// The text for all other actions.
const CHECKING: &str = "checking the current state";

const STEPS: [(Phase, &str); 3] = [
    (Phase::WaitingForDependencies, "Waiting for the database and Redis"),
    (Phase::Bootstrapping, "Preparing the site"),
    (Phase::Serving, "Starting the site"),
];

/// The steps of a start.
pub fn start_steps(status: &Status, now: Instant) -> Vec<Step> {
    let entered = |phase: Phase| status.phases.since(phase);
    let has_failed = status.phase == Phase::FailedHeld || status.web_keeps_failing;
    let last_begun = STEPS.iter().rposition(|(phase, _)| entered(*phase).is_some());
    let ended = |index: usize| {
        let next = STEPS.get(index + 1).and_then(|(phase, _)| entered(*phase));
        next.or(if has_failed { entered(Phase::FailedHeld) } else { None }).unwrap_or(now)
    };
    let step = |(index, (phase, name)): (usize, &(Phase, &'static str))| {
        let state = match last_begun {
            Some(last) if index < last => State::Done,
            Some(last) if index == last && has_failed => State::Failed,
            Some(last) if index == last => State::Running,
            _ => State::Waiting,
        };
        let elapsed_s = entered(*phase).map(|at| ended(index).saturating_duration_since(at).as_secs());
        let now = if state == State::Running { current_action(status) } else { String::new() };
        Step { name, state, elapsed_s, now }
    };
    STEPS.iter().enumerate().map(step).collect()
}

/// The public part of the current operation: its name and its progress.
fn current_action(status: &Status) -> String {
    if status.phase != Phase::Bootstrapping {
        return String::new();
    }
    let (name, percent) = match &status.operation {
        Some(Operation::RunningStep { name, progress }) => {
            (step_name(name), progress.as_ref().and_then(StepProgress::percent))
        }
        Some(Operation::WaitingForLeader { wait: LeaderWait::Led { .. }, reported }) => {
            ("another server is working on it", reported.as_ref().and_then(|reported| reported.percent))
        }
        _ => (CHECKING, None),
    };
    match percent {
        Some(percent) => format!("{name}, {percent} %"),
        None => name.into(),
    }
}

fn step_name(name: &StepName) -> &'static str {
    match name {
        StepName::NewSite => "creating it",
        StepName::Migrate => "migrating its database",
        StepName::InstallApp(_) => "installing an app",
        _ => CHECKING,
    }
}

const UPDATE: [(&str, &[Stage]); 4] = [
    ("Saving a copy", &[Stage::Checking, Stage::BackingUp]),
    ("Waiting for work in progress", &[Stage::Draining]),
    ("Updating the database", &[Stage::Maintenance, Stage::Migrating, Stage::Failed]),
    ("Starting the new version", &[Stage::Finishing]),
];

/// The steps of a migration. Another pod may run it, so the durations are not known here.
pub fn update_steps(gate: &GateStatus) -> Vec<Step> {
    let at = UPDATE
        .iter()
        .position(|(_, stages)| gate.stage.is_some_and(|stage| stages.contains(&stage)))
        .unwrap_or(0);
    let step = |(index, (name, _)): (usize, &(&'static str, &[Stage]))| {
        let state = match index.cmp(&at) {
            std::cmp::Ordering::Less => State::Done,
            std::cmp::Ordering::Equal if gate.problem.is_some() => State::Failed,
            std::cmp::Ordering::Equal => State::Running,
            std::cmp::Ordering::Greater => State::Waiting,
        };
        Step { name, state, elapsed_s: None, now: String::new() }
    };
    UPDATE.iter().enumerate().map(step).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deps::missing::{Missing, MissingDependency};
    use crate::frappe::progress_line::ProgressLine;
    use crate::status::handle::{RoleName, StatusHandle};
    use crate::status::operation::NotReady;

    fn step(name: StepName, line: &str) -> Operation {
        Operation::RunningStep { name, progress: Some(StepProgress::Line(ProgressLine::parse(line))) }
    }

    fn shown(status: &StatusHandle) -> Vec<(State, Option<u64>, String)> {
        let later = Instant::now() + Duration::from_secs(7);
        start_steps(&status.read(), later)
            .into_iter()
            .map(|step| (step.state, step.elapsed_s, step.now))
            .collect()
    }

    #[test]
    fn steps_show_their_duration_and_no_internal_details() {
        let status = StatusHandle::new(RoleName::Web, None);
        assert!(shown(&status).iter().all(|step| *step == (State::Waiting, None, String::new())));
        let (name, target) = ("postgres", "secret-host:5432".into());
        let missing = Missing(vec![MissingDependency { name, target, error: None }]);
        status.enter(Phase::WaitingForDependencies, Some(Operation::WaitingForDependencies(missing)));
        assert_eq!(shown(&status)[0], (State::Running, Some(7), String::new()));
        status.enter(Phase::Bootstrapping, Some(Operation::Inspecting));
        assert_eq!(shown(&status)[0].0, State::Done);
        status.begin(step(StepName::NewSite, "Updating DocTypes for frappe : [===  ] 37%"));
        assert_eq!(shown(&status)[1], (State::Running, Some(7), "creating it, 37 %".into()));
        status.update(|status| status.last_error = Some("secret".into()));
        status.enter(Phase::FailedHeld, None);
        let states: Vec<State> = shown(&status).into_iter().map(|step| step.0).collect();
        assert_eq!(states, [State::Done, State::Failed, State::Waiting]);
    }

    #[test]
    fn a_running_step_shows_its_name_and_progress() {
        let waits = |wait, reported| Operation::WaitingForLeader { wait, reported };
        let led = || LeaderWait::Led { holder: "secret-pod".into(), is_complete: false };
        let reported = ProgressLine::parse("new-site: Updating DocTypes for secret : [==  ] 40%");
        let half_done = "Updating DocTypes for frappe : [==  ] 50%";
        for (operation, text) in [
            (step(StepName::NewSite, half_done), "creating it, 50 %"),
            (step(StepName::Migrate, "3 of 10"), "migrating its database"),
            (step(StepName::InstallApp("secret".into()), half_done), "installing an app, 50 %"),
            (step(StepName::ClearCache, ""), CHECKING),
            (waits(led(), None), "another server is working on it"),
            (waits(led(), Some(reported)), "another server is working on it, 40 %"),
            (waits(LeaderWait::Unled(NotReady::Unfinished), None), CHECKING),
            (Operation::FetchingApp("secret".into()), CHECKING),
        ] {
            let status = StatusHandle::new(RoleName::Web, None);
            status.enter(Phase::Bootstrapping, Some(operation));
            assert_eq!(shown(&status)[1].2, text);
        }
    }

    #[test]
    fn an_update_shows_its_stage() {
        let states = |stage: Stage, problem: Option<&str>| {
            let gate =
                GateStatus { stage: Some(stage), problem: problem.map(Into::into), ..Default::default() };
            update_steps(&gate).into_iter().map(|step| step.state).collect::<Vec<_>>()
        };
        use State::{Done, Failed, Running, Waiting};
        assert_eq!(states(Stage::Draining, None), [Done, Running, Waiting, Waiting]);
        assert_eq!(states(Stage::Migrating, None), [Done, Done, Running, Waiting]);
        assert_eq!(states(Stage::Failed, Some("secret")), [Done, Done, Failed, Waiting]);
    }
}
