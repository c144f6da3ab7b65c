//! The scheduler role: one leader among all replicas, the others stand by.
//!
//! ```text
//!              lock taken                      child started
//!   Standby ───────────────▶ Leader (election) ───────────────▶ ticking
//!      ▲                        │ the lock is in doubt: the child is ended first,
//!      └────────────────────────┘ then the session goes
//! ```
//!
//! Alive means ticking: the process, the held lock, and the age of the last tick that came to its end
//! (frappe/scheduler.py leaves word of it; Frappe itself does not).

mod election;
mod tick;

use std::convert::Infallible;
use std::time::Duration;

use nix::sys::signal::Signal;
use secrecy::SecretSlice;
use tokio::sync::watch;

use self::election::{Election, Stand};
use self::tick::Tick;
use super::RoleContext;
use crate::frappe::bench_objects::BenchObjects;
use crate::frappe::scheduler_settings::SchedulerState;
use crate::status::handle::{Phase, RoleCheck, SchedulerStatus};
use crate::supervise::orders::{Order, Run};
use crate::supervise::relay::relay_for;
use crate::supervise::run_service::{End, ServiceStatus, run_controlled};
use crate::supervise::service::Policy;
use crate::supervise::spawn::{Spec, Stdin};

pub const ROLE: &str = "scheduler";
/// From TERM to KILL; TERM ends it at once (docs/frappe-contract.md#scheduler-process).
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks at the ticks.
const LOOK: Duration = Duration::from_secs(5);
/// A tick may be late by the next one and this before it counts as missing: it waits for the database.
const LATE: Duration = Duration::from_secs(30);
const PRELUDE: &str = include_str!("../frappe/scheduler.py");

/// Leads or stands by until a stop is asked for, or the scheduler cannot be kept up.
pub async fn serve(around: &RoleContext<'_>) -> End {
    let tick_file = around.pod.runtime_dir.join("scheduler-tick");
    let (orders, orders_rx) = watch::channel(Order { run: Run::No, ..Order::default() });
    let grace = around.pod.config.grace.unwrap_or(GRACE);
    let plan = around.plan(spec(around, &tick_file), Policy::restarting(grace));
    let status = plan.observer.subscribe();
    around.pod.status.enter(Phase::Serving, None);
    tokio::spawn(around.pod.status.follow_child(status.clone()));
    let (stand_tx, stand) = watch::channel(Stand::Starting);
    let election = Election::new(around, orders, status.clone(), stand_tx);
    let watching = keep_looking(around, stand, status, Tick::new(tick_file));
    tokio::select! {
        end = run_controlled(&around.pod.processes, plan, orders_rx, &around.pod.shutdown) => end,
        // Neither ends by itself; the session, and with it the lock, goes after the child.
        never = election.run() => match never {},
        never = watching => match never {},
    }
}

fn spec(around: &RoleContext<'_>, tick_file: &std::path::Path) -> Spec {
    let mut environment = around.environment("cauldron/schedule");
    environment.set("CAULDRON_TICK_FILE", tick_file).set("CAULDRON_TICK_SITE", around.site);
    Spec {
        args: ["-", "frappe", "schedule"].map(Into::into).into(),
        env: environment.into_map(),
        cwd: Some(around.sites()),
        stdin: Stdin::Bytes(SecretSlice::from(PRELUDE.as_bytes().to_vec())),
        output: relay_for(ROLE, around.pod.config.child_logs, ROLE),
        // Two that tick are worse than none for a moment.
        dies_with_us: Some(Signal::SIGKILL),
        ..Spec::new(ROLE, around.pod.bench.python())
    }
}

async fn keep_looking(
    around: &RoleContext<'_>,
    stand: watch::Receiver<Stand>,
    mut child: watch::Receiver<ServiceStatus>,
    mut tick: Tick,
) -> Infallible {
    let mut shown = None;
    loop {
        let now = stand.borrow().clone();
        let state = around.scheduler_state(&now);
        let seen = tick.look(child.borrow_and_update().pid);
        let (check, scheduler) = tell(&now, seen, state, around.tick());
        if scheduler.leads && shown != Some(state) {
            if state != SchedulerState::Active {
                tracing::warn!(state = state.as_str(), "the scheduler runs, and enqueues nothing or little");
            }
            shown = Some(state);
        }
        around.pod.status.check(ROLE, check);
        around.pod.status.update(|status| status.scheduler = Some(scheduler));
        let mut changed = stand.clone();
        tokio::select! {
            _ = changed.wait_for(|stand| *stand != now) => {}
            Ok(()) = child.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// What follows from who leads and when it ticked last: pure.
fn tell(
    stand: &Stand,
    seen: tick::Seen,
    state: SchedulerState,
    tick: Duration,
) -> (RoleCheck, SchedulerStatus) {
    let status = SchedulerStatus { leads: matches!(stand, Stand::Leads { .. }), lag: seen.lag, state };
    let check = match stand {
        Stand::Starting => RoleCheck::red("nobody was asked yet who leads"),
        Stand::Unknown(problem) => RoleCheck::red(problem.clone()),
        Stand::StandsBy(leader) => {
            RoleCheck { note: format!("stands by; {leader} leads"), ..RoleCheck::default() }
        }
        Stand::Leads { .. } => match (seen.running_for, seen.lag) {
            (None, _) => RoleCheck::red("leads, and its process does not run"),
            (Some(running), lag) => {
                let silent = lag.unwrap_or(running).min(running);
                let missing = silent > tick * 2 + LATE && !seen.unseen;
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
    /// Frappe's own pause between two ticks, where nobody gave another one.
    fn tick(&self) -> Duration {
        let default_s = if self.pod.bench.frappe_major().is_some_and(|major| major >= 16) { 240 } else { 60 };
        self.pod.config.workers.tick.unwrap_or(Duration::from_secs(default_s))
    }

    /// What the switches say; only who leads has a session to ask for all of them.
    fn scheduler_state(&self, stand: &Stand) -> SchedulerState {
        match stand {
            Stand::Leads { settings } => {
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

    const TICK: Duration = Duration::from_secs(60);

    fn leads() -> Stand {
        Stand::Leads { settings: Arc::new(Settings::default()) }
    }

    fn seen(running_s: u64, lag_s: Option<u64>) -> tick::Seen {
        let running_for = Some(Duration::from_secs(running_s));
        tick::Seen { running_for, lag: lag_s.map(Duration::from_secs), unseen: false }
    }

    fn problem(stand: &Stand, seen: tick::Seen) -> Option<String> {
        tell(stand, seen, SchedulerState::Active, TICK).0.problem
    }

    #[test]
    fn who_leads_must_tick() {
        assert_eq!(problem(&leads(), seen(3, None)), None);
        assert_eq!(problem(&leads(), seen(900, Some(59))), None);
        let silent = problem(&leads(), seen(900, Some(151)));
        assert_eq!(silent.as_deref(), Some("leads, and has not ticked for 151 s"));
        assert!(problem(&leads(), seen(151, None)).is_some());
        // What an earlier process left says nothing of this one.
        assert_eq!(problem(&leads(), seen(3, Some(5000))), None);
        assert_eq!(problem(&leads(), tick::Seen { unseen: true, ..seen(9000, None) }), None);
        assert!(problem(&leads(), tick::Seen::default()).is_some());
    }

    #[test]
    fn a_standby_is_ready_and_says_so() {
        let (check, status) =
            tell(&Stand::StandsBy("pod-1".into()), tick::Seen::default(), SchedulerState::Standby, TICK);
        assert_eq!((check.problem, check.note.as_str()), (None, "stands by; pod-1 leads"));
        assert!(!status.leads);
        assert!(problem(&Stand::Unknown("refused".into()), tick::Seen::default()).is_some());
    }
}
