//! Drives one service: the only loop that knows its child, its timers and what was asked of us.

mod ending;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
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
use crate::sys::exit::Exit;

/// Runs a service until it is over. Nobody of its process group is left then.
pub async fn run_service(processes: &Processes, plan: ServicePlan, shutdown: &Shutdown) -> End {
    run_controlled(processes, plan, watch::channel(Order::default()).1, shutdown).await
}

/// The same, under the orders of its role.
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
        renews: false,
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

/// Why a service is started again, where its role has not said so.
const CRASH: &str = "crash";
const OUT_OF_MEMORY: &str = "oom";
/// What the child was told at its start has changed.
const RENEWAL: &str = "secret";
/// The program said that it is done (`Policy::done_code`).
const DONE: &str = "done";

struct Driver<'a> {
    processes: &'a Processes,
    shutdown: &'a Shutdown,
    orders: watch::Receiver<Order>,
    /// The one that was acted on.
    order: Order,
    /// What follows from a new order, one by one.
    events: VecDeque<Event>,
    /// The kernel's count of this container when the child was started.
    oom_kills: u64,
    /// Of the next restart.
    reason: &'static str,
    reasons: BTreeMap<&'static str, u64>,
    plan: ServicePlan,
    /// What the present child has of `ServicePlan::additions`.
    added: Additions,
    /// Why it is to be recycled.
    renews: bool,
    service: Service,
    stop_signal: Option<Signal>,
    child: Option<Arc<Child>>,
    /// The drain delay or the back-off; a state has one at most.
    timer: Option<(Instant, Event)>,
    stopping: Option<Pin<Box<dyn Future<Output = StopReport> + Send>>>,
    start_error: Option<SpawnError>,
    /// Aborted when the service has ended.
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
            if let Some(followed_by) = self.apply(event) {
                event = followed_by;
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

    /// Waits for whatever concerns the child: a stop, an order, its end, a timer.
    async fn next_event(&mut self, forwarded: &mut broadcast::Receiver<Signal>, forced: &mut bool) -> Event {
        loop {
            let may_start = self.order.run == Run::Yes || self.service.state != State::BackingOff;
            let watching = matches!(self.service.state, State::Running | State::Draining);
            tokio::select! {
                biased;
                signal = self.shutdown.stop_requested(), if self.stop_signal.is_none() => {
                    self.stop_signal = Some(signal);
                    return Event::StopRequested;
                }
                () = self.shutdown.forced(), if !*forced => {
                    *forced = true;
                    return Event::Forced;
                }
                exit = ended(self.child.as_deref()), if watching => return Event::Ended(exit),
                report = stopped(self.stopping.as_mut()) => {
                    self.stopping = None;
                    return self.cleared(report);
                }
                event = elapsed(self.timer), if may_start => {
                    self.timer = None;
                    return event;
                }
                order = ordered(&mut self.orders) => {
                    self.events.extend(std::mem::replace(&mut self.order, order).events(order));
                    if let Some(event) = self.events.pop_front() {
                        return event;
                    }
                }
                () = changed(self.plan.additions.as_mut()) => if let Some(event) = self.renew() {
                    return event;
                },
                signal = forwarded.recv() => match signal {
                    Ok(signal) => self.forward(signal),
                    // Nobody sends 16 signals that each matter; the newest are kept.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => *forwarded = self.shutdown.forwarded(),
                },
            }
        }
    }

    /// One step of the machine; an action that is done at once gives the next event.
    fn apply(&mut self, event: Event) -> Option<Event> {
        let now = Instant::now();
        let before = self.service.restarts;
        let (service, action) = on_event(self.service.clone(), event, &self.plan.policy, now);
        self.service = service;
        if event == Event::PauseRequested || event == Event::RecycleAsked {
            self.reason = if std::mem::take(&mut self.renews) { RENEWAL } else { self.order.why };
        }
        if self.service.restarts > before {
            *self.reasons.entry(self.reason).or_default() += 1;
        }
        if self.service.state == State::Paused {
            // Of a back-off that was cut short.
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
                info!(service = self.plan.spec.name, delay_ms = delay.as_millis(), "draining");
                self.timer = Some((now + delay, Event::DrainOver));
                None
            }
            // A timer is rounded up to a millisecond; the first restart takes less.
            Some(Action::BackOff(Duration::ZERO)) if self.order.run == Run::Yes => Some(Event::BackOffOver),
            Some(Action::BackOff(delay)) => {
                let delay = delay.mul_f64(rand::random_range(0.8..1.2));
                info!(service = self.plan.spec.name, delay_ms = delay.as_millis(), "backed off");
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
                debug!(service = name, pid = child.pid, "started");
                self.child = Some(Arc::new(child));
                self.start_error = None;
                Event::Started
            }
            Err(error) => {
                let may_pass = error.may_pass();
                if may_pass && self.plan.policy.restart {
                    warn!(service = name, %error, "start failed");
                }
                self.start_error = Some(error);
                Event::StartFailed { may_pass }
            }
        }
    }

    /// What the child was told has changed. To reload is enough where its environment has not: it reads
    /// its files again then.
    fn renew(&mut self) -> Option<Event> {
        let additions = self.plan.additions.as_mut()?;
        let same = *additions.borrow_and_update() == self.added;
        if same && self.plan.forward.contains(&Signal::SIGHUP) {
            self.forward(Signal::SIGHUP);
            return None;
        }
        self.renews = true;
        Some(Event::RecycleAsked)
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

async fn ended(child: Option<&Child>) -> Exit {
    match child {
        Some(child) => child.exited().await,
        None => std::future::pending().await,
    }
}

async fn stopped(stop: Option<&mut Pin<Box<dyn Future<Output = StopReport> + Send>>>) -> StopReport {
    match stop {
        Some(stop) => stop.await,
        None => std::future::pending().await,
    }
}

/// The next order; a role that has nothing more to say leaves the last one in force.
async fn ordered(orders: &mut watch::Receiver<Order>) -> Order {
    match orders.changed().await {
        Ok(()) => *orders.borrow_and_update(),
        Err(_) => std::future::pending().await,
    }
}

async fn changed(additions: Option<&mut watch::Receiver<Additions>>) {
    let gone = match additions {
        Some(additions) => additions.changed().await.is_err(),
        None => true,
    };
    if gone {
        std::future::pending::<()>().await;
    }
}

async fn elapsed(timer: Option<(Instant, Event)>) -> Event {
    match timer {
        Some((end, event)) => {
            sleep_until(end).await;
            event
        }
        None => std::future::pending().await,
    }
}
