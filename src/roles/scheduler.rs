//! The scheduler role: one replica is the leader, the others stand by.
//!
//! ```text
//!              lock taken                      child started
//!   Standby ───────────────▶ Leader (election) ───────────────▶ ticking
//!      ▲                        │ the lock is in doubt: the child is stopped first,
//!      └────────────────────────┘ then the session is closed
//! ```
//!
//! A ready leader has a running process, the lock, and a recently completed tick. frappe/scheduler.py records
//! each tick, because Frappe does not. It also reports that another process holds Frappe's own lock, without which
//! no process of Frappe's scheduler runs.

mod election;
pub mod fence;
mod held_lock;
pub mod stand_in;
mod tick;

use std::convert::Infallible;
use std::time::Duration;

use nix::sys::signal::Signal;
use secrecy::SecretSlice;
use tokio::sync::watch;

use self::election::{Election, ElectionState};
use self::held_lock::HeldLock;
use self::tick::{TickFile, TickStatus};
use super::RoleContext;
use crate::frappe::bench_objects::BenchObjects;
use crate::frappe::scheduler_settings::SchedulerState;
use crate::status::handle::{Phase, RoleCheck, RoleName, SchedulerStatus};
use crate::supervise::orders::{Order, Run};
use crate::supervise::run_service::{End, ServiceStatus, run_controlled};
use crate::supervise::service::Policy;
use crate::supervise::spawn::{Spec, Stdin};

const ROLE: RoleName = RoleName::Scheduler;
/// From TERM to KILL; the scheduler exits at once on TERM (docs/frappe-contract.md#scheduler-process).
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Between two readings of the tick file.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// A tick is missing after two intervals and this: it may wait for the database.
const TICK_SLACK: Duration = Duration::from_secs(30);
const PRELUDE: &str = include_str!("../frappe/scheduler.py");

/// Leads or stands by until a stop is requested or the scheduler process crash-loops.
pub async fn serve(context: &RoleContext<'_>) -> End {
    let tick_file = context.pod.runtime_dir.join("scheduler-tick");
    let (orders, orders_rx) = watch::channel(Order { run: Run::No, ..Order::default() });
    let grace = context.pod.config.grace.unwrap_or(STOP_GRACE);
    let plan = context.plan(spec(context, &tick_file), Policy::restarting(grace));
    let status = plan.observer.subscribe();
    context.pod.status.enter(Phase::Serving, None);
    tokio::spawn(context.pod.status.follow_child(status.clone()));
    let (election_tx, election_state) = watch::channel(ElectionState::Starting);
    let election = Election::new(context, orders, status.clone(), election_tx);
    let held_lock = HeldLock::new(&tick_file);
    let (ticks, ticks_rx) = watch::channel(false);
    let files = (TickFile::new(tick_file), held_lock.clone());
    let checking = keep_checking(context, election_state, status, files, ticks);
    let key = context.queues().scheduler(context.site);
    let publishing = context.stand_in.publish(context.queue_redis(), key, ticks_rx);
    tokio::select! {
        end = run_controlled(&context.pod.processes, plan, orders_rx, &context.pod.shutdown) => {
            held_lock.explain(end)
        }
        // Neither future completes. The session, and so the lock, is dropped after the child has ended.
        never = election.run() => match never {},
        never = checking => match never {},
        never = publishing => match never {},
    }
}

fn spec(context: &RoleContext<'_>, tick_file: &std::path::Path) -> Spec {
    let mut environment = context.environment("cauldron/schedule");
    environment.set("CAULDRON_TICK_FILE", tick_file).set("CAULDRON_TICK_SITE", context.site);
    Spec {
        args: ["-", "frappe", "schedule"].map(Into::into).into(),
        env: environment.into_map(),
        cwd: Some(context.sites()),
        stdin: Stdin::Bytes(SecretSlice::from(PRELUDE.as_bytes().to_vec())),
        output: context.output(ROLE.as_str(), ROLE.as_str()),
        // Two running schedulers are worse than none for a moment.
        parent_death_signal: Some(Signal::SIGKILL),
        ..Spec::new(ROLE.as_str(), context.pod.bench.python())
    }
}

async fn keep_checking(
    context: &RoleContext<'_>,
    election_state: watch::Receiver<ElectionState>,
    mut child: watch::Receiver<ServiceStatus>,
    (mut tick_file, mut held_lock): (TickFile, HeldLock),
    ticks: watch::Sender<bool>,
) -> Infallible {
    let mut logged = None;
    loop {
        let now = election_state.borrow().clone();
        let state = context.scheduler_state(&now);
        let last_tick = tick_file.read(child.borrow_and_update().pid);
        let (mut check, scheduler) = evaluate(&now, last_tick, state, context.tick_interval());
        if scheduler.leads {
            held_lock.apply(&mut check);
        }
        ticks.send_replace(scheduler.leads && check.problem.is_none());
        if scheduler.leads && logged != Some(state) {
            if state != SchedulerState::Active {
                tracing::warn!(
                    event = "scheduler.not_active",
                    state = state.as_str(),
                    "the scheduler runs but enqueues few or no jobs"
                );
            }
            logged = Some(state);
        }
        context.pod.status.check(ROLE, check);
        context.pod.status.update(|status| status.scheduler = Some(scheduler));
        let mut changed = election_state.clone();
        tokio::select! {
            _ = changed.wait_for(|state| *state != now) => {}
            Ok(()) = child.changed() => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }
}

/// Derives readiness and status from the election and the last tick; pure.
fn evaluate(
    election_state: &ElectionState,
    last_tick: TickStatus,
    state: SchedulerState,
    tick_interval: Duration,
) -> (RoleCheck, SchedulerStatus) {
    let status = SchedulerStatus {
        leads: matches!(election_state, ElectionState::Leader { .. }),
        lag: last_tick.lag,
        state,
    };
    let check = match election_state {
        ElectionState::Starting => RoleCheck::failed("nobody was asked yet who leads"),
        ElectionState::Unknown(problem) => RoleCheck::failed(problem.clone()),
        ElectionState::Standby(leader) => {
            RoleCheck { note: format!("stands by; {leader} leads"), ..RoleCheck::default() }
        }
        ElectionState::Leader { .. } => match (last_tick.running_for, last_tick.lag) {
            (None, _) => RoleCheck::failed("leads, and its process does not run"),
            (Some(running), lag) => {
                let silent = lag.unwrap_or(running).min(running);
                let missing = silent > tick_interval * 2 + TICK_SLACK && !last_tick.unobservable;
                let last = lag.map_or("none yet".into(), |lag| format!("{} s ago", lag.as_secs()));
                let note = format!("leads; {}; last tick {last}", state.as_str());
                let problem =
                    missing.then(|| format!("leads, and has not ticked for {} s", silent.as_secs()));
                RoleCheck { note, problem, ..RoleCheck::default() }
            }
        },
    };
    (check, status)
}

impl RoleContext<'_> {
    /// Returns the configured interval between ticks, or Frappe's default.
    fn tick_interval(&self) -> Duration {
        let default_s = if self.pod.bench.frappe_major().is_some_and(|major| major >= 16) { 240 } else { 60 };
        self.pod.config.workers.tick.unwrap_or(Duration::from_secs(default_s))
    }

    /// Returns the state of the scheduler's switches; only the leader has a session to read all of them.
    fn scheduler_state(&self, election_state: &ElectionState) -> SchedulerState {
        match election_state {
            ElectionState::Leader { settings } => {
                settings.state(&BenchObjects::read(&self.pod.bench.sites(), self.site))
            }
            _ => SchedulerState::Standby,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::frappe::scheduler_settings::Settings;

    const TICK_INTERVAL: Duration = Duration::from_secs(60);

    fn leader() -> ElectionState {
        ElectionState::Leader { settings: Arc::new(Settings::default()) }
    }

    fn ticked(running_s: u64, lag_s: Option<u64>) -> TickStatus {
        let running_for = Some(Duration::from_secs(running_s));
        TickStatus { running_for, lag: lag_s.map(Duration::from_secs), unobservable: false }
    }

    fn problem(state: &ElectionState, last_tick: TickStatus) -> Option<String> {
        evaluate(state, last_tick, SchedulerState::Active, TICK_INTERVAL).0.problem
    }

    #[test]
    fn a_leader_must_tick() {
        assert_eq!(problem(&leader(), ticked(3, None)), None);
        assert_eq!(problem(&leader(), ticked(900, Some(59))), None);
        let silent = problem(&leader(), ticked(900, Some(151)));
        assert_eq!(silent.as_deref(), Some("leads, and has not ticked for 151 s"));
        assert!(problem(&leader(), ticked(151, None)).is_some());
        // A tick of an earlier process does not count.
        assert_eq!(problem(&leader(), ticked(3, Some(5000))), None);
        assert_eq!(problem(&leader(), TickStatus { unobservable: true, ..ticked(9000, None) }), None);
        assert!(problem(&leader(), TickStatus::default()).is_some());
    }

    #[test]
    fn a_standby_is_ready_and_names_the_leader() {
        let standby = ElectionState::Standby("pod-1".into());
        let (check, status) =
            evaluate(&standby, TickStatus::default(), SchedulerState::Standby, TICK_INTERVAL);
        assert_eq!((check.problem, check.note.as_str()), (None, "stands by; pod-1 leads"));
        assert!(!status.leads);
        assert!(problem(&ElectionState::Unknown("refused".into()), TickStatus::default()).is_some());
    }
}
