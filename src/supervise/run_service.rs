//! Drives one service: the only loop that knows its child, its timers and what was asked of us.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use super::exit::Exit;
use super::process::{Child, Processes};
use super::service::{Action, Event, Policy, Service, State, on_event};
use super::signals::Shutdown;
use super::spawn::{SpawnError, Spec};
use super::stop::StopReport;

/// What to run, and how.
pub struct ServicePlan {
    pub spec: Spec,
    pub policy: Policy,
    /// What the child is told when we are to stop; None passes on what we were told.
    pub stop_with: Option<Signal>,
    /// Which of HUP, USR1, USR2, WINCH and CONT the child gets. HUP here means: it reloads.
    pub forward: Vec<Signal>,
    /// Run after the child was sent a stop signal or a HUP (gunicorn's threads sleep through both
    /// until something connects to their port).
    pub after_signal: Option<AfterSignal>,
    /// Waited for between the request to stop and TERM, within the grace: who sends the child its work
    /// finishes first.
    pub before_stop: Option<BeforeStop>,
    pub observer: watch::Sender<ServiceStatus>,
}

/// Dropped, wherever it is, when the service has ended.
pub type AfterSignal = Arc<dyn Fn(Signal) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub type BeforeStop = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A service as the health server tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    pub name: String,
    pub pid: Option<i32>,
    pub state: State,
    pub restarts: u64,
    pub last_exit: Option<Exit>,
    /// When the present child was started.
    pub started_at: Option<SystemTime>,
}

impl ServiceStatus {
    /// Before its first start.
    pub fn new(name: impl Into<String>) -> Self {
        let (state, name) = (State::Starting, name.into());
        Self { name, pid: None, state, restarts: 0, last_exit: None, started_at: None }
    }
}

/// How a service came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A stop was asked for by this signal; no exit where nothing ran at that time.
    Asked(Signal, Option<Exit>),
    /// It ended, and was not to be restarted.
    Ended(Exit),
    /// It ended too often.
    CrashLoop(Exit),
    NotStarted(SpawnError),
}

/// What of the grace is the child's own, at least, whatever comes before it.
const OWN_SHARE: u32 = 4;

/// After the end of a group only escapees hold its output.
const OUTPUT_DRAIN: Duration = Duration::from_millis(100);

/// Runs a service until it is over. Nobody of its process group is left then.
pub async fn run_service(processes: &Processes, plan: ServicePlan, shutdown: &Shutdown) -> End {
    let mut driver = Driver {
        processes,
        shutdown,
        service: Service::new(),
        asked_by: None,
        child: None,
        timer: None,
        stopping: None,
        start_error: None,
        hooks: JoinSet::new(),
        plan,
    };
    driver.run().await
}

struct Driver<'a> {
    processes: &'a Processes,
    shutdown: &'a Shutdown,
    plan: ServicePlan,
    service: Service,
    asked_by: Option<Signal>,
    child: Option<Arc<Child>>,
    /// The drain delay or the back-off; a state has one at most.
    timer: Option<(Instant, Event)>,
    stopping: Option<Pin<Box<dyn Future<Output = StopReport> + Send>>>,
    start_error: Option<SpawnError>,
    hooks: JoinSet<()>,
}

impl Driver<'_> {
    async fn run(&mut self) -> End {
        let mut forwarded = self.shutdown.forwarded();
        let mut hurried = false;
        self.asked_by = self.shutdown.signal();
        let mut event = if self.asked_by.is_some() { Event::StopAsked } else { self.start() };
        loop {
            if let Some(followed_by) = self.apply(event) {
                event = followed_by;
                continue;
            }
            if self.service.is_over() {
                return self.end().await;
            }
            event = loop {
                let watching = matches!(self.service.state, State::Running | State::Draining);
                tokio::select! {
                    biased;
                    signal = self.shutdown.asked(), if self.asked_by.is_none() => {
                        self.asked_by = Some(signal);
                        break Event::StopAsked;
                    }
                    () = self.shutdown.hurried(), if !hurried => {
                        hurried = true;
                        break Event::Hurried;
                    }
                    exit = ended(self.child.as_deref()), if watching => break Event::Ended(exit),
                    report = stopped(self.stopping.as_mut()) => {
                        self.stopping = None;
                        break self.cleared(report);
                    }
                    event = elapsed(self.timer) => {
                        self.timer = None;
                        break event;
                    }
                    signal = forwarded.recv() => match signal {
                        Ok(signal) => self.forward(signal),
                        // Nobody sends 16 signals that each matter; the newest are kept.
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => forwarded = self.shutdown.forwarded(),
                    },
                }
            };
        }
    }

    /// One step of the machine; an action that is done at once gives the next event.
    fn apply(&mut self, event: Event) -> Option<Event> {
        let now = Instant::now();
        let (service, action) = on_event(self.service.clone(), event, &self.plan.policy, now);
        self.service = service;
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
            Some(Action::BackOff(Duration::ZERO)) => Some(Event::BackOffOver),
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
        match self.processes.spawn(&self.plan.spec) {
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

    fn stop(&mut self) {
        self.timer = None;
        let Some(child) = self.child.clone() else { return };
        let signal = self.plan.stop_with.or(self.asked_by).unwrap_or(Signal::SIGTERM);
        let (grace, shutdown) = (self.plan.policy.grace, self.shutdown.clone());
        let asked = child.exit().is_none();
        let before = self.plan.before_stop.clone().filter(|_| asked && self.service.asked);
        self.stopping = Some(Box::pin(async move {
            let deadline = Instant::now() + grace;
            if let Some(before) = before {
                tokio::select! {
                    () = before() => {}
                    _ = child.exited() => {}
                    () = shutdown.hurried() => {}
                    () = sleep_until(deadline - grace / OWN_SHARE) => {}
                }
            }
            child.stop(signal, deadline.saturating_duration_since(Instant::now()), shutdown.hurried()).await
        }));
        if asked {
            self.run_hook(signal);
        }
    }

    /// Everyone of the group has ended: tell it, and take it back to the machine.
    fn cleared(&self, report: StopReport) -> Event {
        let name = &self.plan.spec.name;
        // The next child gets it from us, or our own parent does.
        crate::sys::terminal::take_back();
        if report.killed {
            warn!(service = name, exit = %report.exit, "killed: it did not stop within its grace");
        }
        if !report.empty {
            error!(service = name, "processes are left that even SIGKILL does not end");
        }
        if self.service.asked || !self.plan.policy.restart {
            debug!(service = name, exit = %report.exit, "stopped");
        } else {
            warn!(service = name, exit = %report.exit, "ended unasked");
        }
        Event::Cleared(report.exit)
    }

    fn forward(&mut self, signal: Signal) {
        if !self.plan.forward.contains(&signal) {
            return;
        }
        let sent = self.child.as_ref().is_some_and(|child| child.signal(signal));
        debug!(service = self.plan.spec.name, %signal, sent, "forwarded a signal");
        if sent && signal == Signal::SIGHUP {
            self.run_hook(signal);
        }
    }

    /// Starts after the signal is sent: a new task runs only when this one waits.
    fn run_hook(&mut self, signal: Signal) {
        if let Some(hook) = &self.plan.after_signal {
            self.hooks.spawn(hook(signal));
        }
    }

    fn publish(&self) {
        let running = self.child.as_ref().filter(|child| child.exit().is_none());
        let started_at = self.service.started_at.filter(|_| running.is_some());
        self.plan.observer.send_replace(ServiceStatus {
            name: self.plan.spec.name.clone(),
            pid: running.map(|child| child.pid),
            state: self.service.state,
            restarts: self.service.restarts,
            last_exit: self.service.last_exit,
            started_at: started_at.and_then(|start| SystemTime::now().checked_sub(start.elapsed())),
        });
    }

    async fn end(&mut self) -> End {
        if let Some(child) = &self.child {
            child.drained(OUTPUT_DRAIN).await;
        }
        match (self.service.state, self.asked_by, self.service.last_exit, self.start_error.take()) {
            // Asked during a back-off: the last exit was that of a crash, told already.
            (State::Stopped, Some(signal), exit, _) => {
                End::Asked(signal, exit.filter(|_| self.service.started_at.is_some()))
            }
            (State::Failed, _, _, Some(error)) => End::NotStarted(error),
            (State::Failed, _, Some(exit), None) => {
                error!(service = self.plan.spec.name, %exit, "gave up: a crash loop");
                End::CrashLoop(exit)
            }
            (_, _, exit, _) => End::Ended(exit.unwrap_or(Exit::Exited(0))),
        }
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

async fn elapsed(timer: Option<(Instant, Event)>) -> Event {
    match timer {
        Some((end, event)) => {
            sleep_until(end).await;
            event
        }
        None => std::future::pending().await,
    }
}
