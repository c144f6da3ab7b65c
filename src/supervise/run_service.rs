//! Drives one service: the only loop that owns its child, its timers and the requests to it.

mod ending;
mod wait;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::orders::{Order, Run};
use super::plan::Additions;
pub use super::plan::{End, ServicePlan, ServiceStatus};
use super::process::{Child, Processes};
use super::service::{Action, Event, Service, State, on_event};
use super::signals::Shutdown;
use super::spawn::SpawnError;
use super::stop::StopReport;
use crate::sys::cgroup;

/// Runs a service until it is over; its process group is empty then.
pub async fn run_service(processes: &Processes, plan: ServicePlan, shutdown: &Shutdown) -> End {
    run_controlled(processes, plan, watch::channel(Order::default()).1, shutdown).await
}

/// Runs a service under the orders of its role until it is over.
pub async fn run_controlled(
    processes: &Processes,
    plan: ServicePlan,
    orders: watch::Receiver<Order>,
    shutdown: &Shutdown,
) -> End {
    let mut driver = Driver {
        processes,
        shutdown,
        orders,
        order: Order::default(),
        events: VecDeque::new(),
        oom_kills: 0,
        reason: CRASH,
        reasons: BTreeMap::new(),
        added: Additions::new(),
        has_new_additions: false,
        service: Service::new(),
        stop_signal: None,
        child: None,
        timer: None,
        stopping: None,
        start_error: None,
        after_signal: JoinSet::new(),
        plan,
    };
    driver.run().await
}

/// Reasons for a restart that the role has not ordered.
const CRASH: &str = "crash";
const OUT_OF_MEMORY: &str = "oom";
/// Variables that the child got at its start have changed.
const RENEWAL: &str = "secret";
/// The program ended with `Policy::done_code`.
const DONE: &str = "done";

struct Driver<'a> {
    processes: &'a Processes,
    shutdown: &'a Shutdown,
    orders: watch::Receiver<Order>,
    /// The order that is in force.
    order: Order,
    /// The events of a new order that are not applied yet.
    events: VecDeque<Event>,
    /// The kernel's count of OOM kills in this container when the child was started.
    oom_kills: u64,
    /// The reason for the next restart.
    reason: &'static str,
    reasons: BTreeMap<&'static str, u64>,
    plan: ServicePlan,
    /// The `ServicePlan::additions` that the current child was started with.
    added: Additions,
    /// True if the next recycle is due to changed additions.
    has_new_additions: bool,
    service: Service,
    stop_signal: Option<Signal>,
    child: Option<Arc<Child>>,
    /// The drain delay or the back-off; each state has at most one.
    timer: Option<(Instant, Event)>,
    stopping: Option<Pin<Box<dyn Future<Output = StopReport> + Send>>>,
    start_error: Option<SpawnError>,
    /// The `after_signal` hooks; aborted when the service has ended.
    after_signal: JoinSet<()>,
}

impl Driver<'_> {
    async fn run(&mut self) -> End {
        let mut forwarded = self.shutdown.forwarded();
        let mut forced = false;
        self.stop_signal = self.shutdown.signal();
        self.order = *self.orders.borrow_and_update();
        let mut event = match self.order.run {
            _ if self.stop_signal.is_some() => Event::StopRequested,
            Run::Yes => self.start(),
            Run::NotYet | Run::No => Event::PauseRequested,
        };
        loop {
            if let Some(next) = self.apply(event) {
                event = next;
                continue;
            }
            if self.service.is_over() {
                return self.end().await;
            }
            if let Some(ordered) = self.events.pop_front() {
                event = ordered;
                continue;
            }
            event = self.next_event(&mut forwarded, &mut forced).await;
        }
    }

    /// Applies an event to the state machine; returns the next event if the action completes at once.
    fn apply(&mut self, event: Event) -> Option<Event> {
        let now = Instant::now();
        let before = self.service.restarts;
        let (service, action) = on_event(self.service.clone(), event, &self.plan.policy, now);
        self.service = service;
        if event == Event::PauseRequested || event == Event::RecycleRequested {
            self.reason =
                if std::mem::take(&mut self.has_new_additions) { RENEWAL } else { self.order.reason };
        }
        if self.service.restarts > before {
            *self.reasons.entry(self.reason).or_default() += 1;
        }
        if self.service.state == State::Paused {
            // A pause cancels the back-off.
            self.timer = None;
        }
        let next = match action {
            None => None,
            Some(Action::Start) => Some(self.start()),
            Some(Action::Stop) => {
                self.stop();
                None
            }
            Some(Action::Drain(delay)) => {
                info!(
                    event = "service.drain_started",
                    service = self.plan.spec.name,
                    delay_ms = delay.as_millis(),
                    "draining"
                );
                self.timer = Some((now + delay, Event::DrainOver));
                None
            }
            // No timer, which would round up to a millisecond: the first restart is faster.
            Some(Action::BackOff(Duration::ZERO)) if self.order.run == Run::Yes => Some(Event::BackOffOver),
            Some(Action::BackOff(delay)) => {
                let delay = delay.mul_f64(rand::random_range(0.8..1.2));
                info!(
                    event = "service.backing_off",
                    service = self.plan.spec.name,
                    delay_ms = delay.as_millis(),
                    "waiting before the next start"
                );
                self.timer = Some((now + delay, Event::BackOffOver));
                None
            }
        };
        self.publish();
        next
    }

    fn start(&mut self) -> Event {
        let name = &self.plan.spec.name;
        if self.plan.policy.restart {
            self.oom_kills = cgroup::oom_kills();
        }
        let mut spec = Cow::Borrowed(&self.plan.spec);
        if let Some(additions) = &mut self.plan.additions {
            self.added.clone_from(&additions.borrow_and_update());
            let added = self.added.iter().map(|(name, value)| (name.into(), value.into()));
            spec.to_mut().env.extend(added);
        }
        match self.processes.spawn(&spec) {
            Ok(child) => {
                debug!(event = "service.started", service = name, pid = child.pid, "service started");
                self.child = Some(Arc::new(child));
                self.start_error = None;
                Event::Started
            }
            Err(error) => {
                let is_transient = error.is_transient();
                if is_transient && self.plan.policy.restart {
                    warn!(event = "service.start_failed", service = name, %error, "service start failed");
                }
                self.start_error = Some(error);
                Event::StartFailed { is_transient }
            }
        }
    }

    /// Reloads or recycles the child after a change of its additions. A reload, which reads the files again, is
    /// enough if the environment is unchanged.
    fn apply_additions(&mut self) -> Option<Event> {
        let additions = self.plan.additions.as_mut()?;
        let is_unchanged = *additions.borrow_and_update() == self.added;
        if is_unchanged && self.plan.forward.contains(&Signal::SIGHUP) {
            self.forward(Signal::SIGHUP);
            return None;
        }
        self.has_new_additions = true;
        Some(Event::RecycleRequested)
    }

    fn publish(&self) {
        let running = self.child.as_ref().filter(|child| child.exit().is_none());
        let started_at = self.service.started_at.filter(|_| running.is_some());
        self.plan.observer.send_replace(ServiceStatus {
            name: self.plan.spec.name.clone(),
            pid: running.map(|child| child.pid),
            state: self.service.state,
            restarts: self.service.restarts,
            restart_reasons: self.reasons.clone(),
            last_exit: self.service.last_exit,
            started_at: started_at.and_then(|start| SystemTime::now().checked_sub(start.elapsed())),
        });
    }
}
