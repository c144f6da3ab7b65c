//! One worker process: its service, and what is known of the process that runs now.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::SecretSlice;
use tokio::sync::watch;

use super::hooks::WorkerHooks;
use super::job_recovery::JobRecovery;
use super::records::Records;
use super::{DONE_CODE, GRACE_AFTER_TIMEOUT, ROLE};
use crate::config::workers::Pool;
use crate::migrate::other_sites::refused;
use crate::roles::RoleContext;
use crate::supervise::orders::{Order, Run};
use crate::supervise::process::Processes;
use crate::supervise::relay::relay_for;
use crate::supervise::run_service::{End, ServiceStatus, run_controlled};
use crate::supervise::service::{Policy, State};
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::{Spec, Stdin};
use crate::sys::proc;

/// Read by python from its standard input, which keeps the command line as short as Frappe's own.
const PRELUDE: &str =
    concat!(include_str!("../../frappe/worker_jobs.py"), include_str!("../../frappe/worker.py"));

/// What is known of the process with this pid.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub pid: Option<i32>,
    pub since: Option<Instant>,
    /// Its record in Redis, once it was found.
    pub key: Option<String>,
    /// The record was there at the last look.
    pub registered: bool,
    /// RQ's work-horse, which runs a job.
    pub horse: Option<i32>,
    pub job: Option<String>,
    /// A new one was ordered in its place.
    pub recycled: bool,
    /// It was told already that its job takes too long.
    pub stuck: bool,
    /// Work-horses that a KILL of their worker will leave to us.
    pub doomed: Vec<i32>,
}

pub struct Slot {
    /// As logs and the status page call it.
    pub name: String,
    /// Its pool's name.
    pub pool: String,
    pub number: u16,
    orders: watch::Sender<Order>,
    status: watch::Receiver<ServiceStatus>,
    facts: Mutex<Facts>,
}

impl Slot {
    /// The slot, and its service to be run.
    pub fn start(
        around: &RoleContext<'_>,
        pool: &Pool,
        number: u16,
        records: &Records,
        recovery: &JobRecovery,
        shutdown: &Shutdown,
    ) -> (Arc<Self>, impl Future<Output = End> + use<>) {
        let name = format!("worker {} {number}", pool.name());
        let waits = number > *pool.processes.start();
        let order = Order { run: if waits { Run::No } else { Run::Yes }, why: "scale", ..Order::default() };
        let (orders, orders_rx) = watch::channel(order);
        let grace = around.pod.config.grace.unwrap_or(pool.timeout + GRACE_AFTER_TIMEOUT);
        let policy = Policy {
            drain: around.pod.config.drain,
            done_code: Some(DONE_CODE),
            ..Policy::restarting(grace)
        };
        // Nothing is forwarded: HUP and QUIT kill a job, USR1 does nothing
        // (docs/frappe-jobs.md#signals-of-a-worker).
        let mut plan = around.plan(spec(around, pool, &name), policy);
        let status = plan.observer.subscribe();
        tokio::spawn(around.pod.status.follow_child(status.clone()));
        let slot =
            Arc::new(Self { name, pool: pool.name(), number, orders, status, facts: Mutex::default() });
        let hooks = WorkerHooks::new(
            slot.clone(),
            records.link(),
            recovery.clone(),
            around.pod.processes.clone(),
            grace,
        );
        plan.hooks = Arc::new(hooks);
        let (processes, shutdown): (Processes, Shutdown) = (around.pod.processes.clone(), shutdown.clone());
        (slot, async move { run_controlled(&processes, plan, orders_rx, &shutdown).await })
    }

    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What /proc says of the process that runs now.
    pub fn look_at_process(&self) {
        let pid = self.status.borrow().pid;
        let mut facts = self.facts();
        if facts.pid != pid {
            *facts = Facts { pid, since: Some(Instant::now()), ..Facts::default() };
        }
        facts.horse = pid.and_then(|pid| proc::children_of(pid).first().copied());
        facts.stuck &= facts.horse.is_some();
    }

    pub fn is_busy(&self) -> bool {
        self.facts().horse.is_some()
    }

    /// Nothing is expected of it soon: it is registered, or not to run.
    pub fn is_settled(&self) -> bool {
        let state = self.status.borrow().state;
        let facts = self.facts();
        state == State::Paused || (state == State::Running && facts.registered && !facts.recycled)
    }

    pub fn state(&self) -> State {
        self.status.borrow().state
    }

    /// Changes what it is to do.
    pub fn order(&self, change: impl FnOnce(&mut Order)) {
        self.orders.send_if_modified(|order| {
            let before = *order;
            change(order);
            *order != before
        });
    }

    /// A new process in place of this one, once; the reason is for people and for a metric.
    pub fn recycle(&self, why: &'static str) {
        if std::mem::replace(&mut self.facts().recycled, true) {
            return;
        }
        tracing::info!(child = self.name, why, "recycles a worker between two jobs");
        self.order(|order| {
            order.recycle += 1;
            order.why = why;
        });
    }

    /// How long the present process has been known.
    pub fn age(&self) -> Duration {
        self.facts().since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Ends when a process was started or has ended. A slot that is over changes no more.
pub async fn any_changed(slots: &[Arc<Slot>]) {
    let mut changes: Vec<_> = slots
        .iter()
        .map(|slot| {
            let mut status = slot.status.clone();
            let known = slot.facts().pid;
            Box::pin(async move {
                if status.wait_for(|status| status.pid != known).await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
        })
        .collect();
    std::future::poll_fn(|context| {
        let any = changes.iter_mut().any(|change| change.as_mut().poll(context).is_ready());
        if any { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn spec(around: &RoleContext<'_>, pool: &Pool, name: &str) -> Spec {
    let mut environment = around.environment("cauldron/worker");
    environment.set("CAULDRON_WORKER_GATE", around.queues().gate());
    environment.set("CAULDRON_REFUSED_SITES", refused::folder(&around.pod.runtime_dir));
    if let Some(jobs) = around.pod.config.workers.max_jobs {
        environment.set("CAULDRON_WORKER_MAX_JOBS", jobs.to_string());
    }
    Spec {
        args: ["-", "frappe", "worker", "--queue", &pool.name()].map(Into::into).into(),
        env: environment.into_map(),
        cwd: Some(around.sites()),
        stdin: Stdin::Bytes(SecretSlice::from(PRELUDE.as_bytes().to_vec())),
        // It finishes its job, and takes no more.
        dies_with_us: Some(nix::sys::signal::Signal::SIGTERM),
        output: relay_for(ROLE, around.pod.config.child_logs, name),
        ..Spec::new(name, around.pod.bench.python())
    }
}
