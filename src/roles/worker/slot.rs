//! One worker process: its service, and the known state of the current process.

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
use crate::supervise::run_service::{End, ServiceStatus, run_controlled};
use crate::supervise::service::{Policy, State};
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::{Spec, Stdin};
use crate::sys::proc;

/// Passed to python on standard input, which keeps the command line as short as Frappe's own.
const PRELUDE: &str = concat!(
    include_str!("../../frappe/rq1_jobs.py"),
    include_str!("../../frappe/worker_jobs.py"),
    include_str!("../../frappe/parked_jobs.py"),
    include_str!("../../frappe/worker.py")
);

/// The known state of the process with this pid.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub pid: Option<i32>,
    pub since: Option<Instant>,
    /// The key of its record in Redis, once found.
    pub key: Option<String>,
    /// True if the record existed at the last poll.
    pub registered: bool,
    /// RQ's work-horse, while a job runs.
    pub horse: Option<i32>,
    pub job: Option<String>,
    /// True if its replacement has been ordered.
    pub recycled: bool,
    /// True if its overdue job has been logged.
    pub stuck_logged: bool,
    /// Work-horses that we adopt when their worker is killed.
    pub orphaned_horses: Vec<i32>,
}

pub struct Slot {
    /// Its name in logs and on the status page.
    pub name: String,
    /// The name of its pool.
    pub pool: String,
    pub number: u16,
    orders: watch::Sender<Order>,
    status: watch::Receiver<ServiceStatus>,
    facts: Mutex<Facts>,
}

impl Slot {
    /// Returns the slot, and its service as a future to run.
    pub fn start(
        context: &RoleContext<'_>,
        pool: &Pool,
        number: u16,
        records: &Records,
        recovery: &JobRecovery,
        shutdown: &Shutdown,
    ) -> (Arc<Self>, impl Future<Output = End> + use<>) {
        let name = format!("worker {} {number}", pool.name());
        let is_extra = number > *pool.processes.start();
        let order =
            Order { run: if is_extra { Run::No } else { Run::Yes }, reason: "scale", ..Order::default() };
        let (orders, orders_rx) = watch::channel(order);
        let grace = context.pod.config.grace.unwrap_or(pool.timeout + GRACE_AFTER_TIMEOUT);
        let policy = Policy {
            drain: context.pod.config.drain,
            done_code: Some(DONE_CODE),
            ..Policy::restarting(grace)
        };
        // No signal is forwarded: HUP and QUIT kill a job, USR1 does nothing
        // (docs/frappe-jobs.md#signals-of-a-worker).
        let mut plan = context.plan(spec(context, pool, &name), policy);
        let status = plan.observer.subscribe();
        tokio::spawn(context.pod.status.follow_child(status.clone()));
        let slot =
            Arc::new(Self { name, pool: pool.name(), number, orders, status, facts: Mutex::default() });
        let hooks = WorkerHooks::new(
            slot.clone(),
            records.link(),
            recovery.clone(),
            context.pod.processes.clone(),
            grace,
        );
        plan.hooks = Arc::new(hooks);
        let (processes, shutdown): (Processes, Shutdown) = (context.pod.processes.clone(), shutdown.clone());
        (slot, async move { run_controlled(&processes, plan, orders_rx, &shutdown).await })
    }

    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Updates the state of the current process from /proc.
    pub fn inspect_process(&self) {
        let pid = self.status.borrow().pid;
        let mut facts = self.facts();
        if facts.pid != pid {
            *facts = Facts { pid, since: Some(Instant::now()), ..Facts::default() };
        }
        facts.horse = pid.and_then(|pid| proc::children_of(pid).first().copied());
        facts.stuck_logged &= facts.horse.is_some();
    }

    pub fn is_busy(&self) -> bool {
        self.facts().horse.is_some()
    }

    /// True if no change is expected soon: it is registered, or paused.
    pub fn is_steady(&self) -> bool {
        let state = self.status.borrow().state;
        let facts = self.facts();
        state == State::Paused || (state == State::Running && facts.registered && !facts.recycled)
    }

    pub fn state(&self) -> State {
        self.status.borrow().state
    }

    /// Changes the order of its service.
    pub fn order(&self, change: impl FnOnce(&mut Order)) {
        self.orders.send_if_modified(|order| {
            let before = *order;
            change(order);
            *order != before
        });
    }

    /// Replaces the current process, once; `why` is shown in the log and in a metric.
    pub fn recycle(&self, why: &'static str) {
        if std::mem::replace(&mut self.facts().recycled, true) {
            return;
        }
        tracing::info!(
            event = "worker.recycled",
            child = self.name,
            why,
            "recycling a worker between two jobs"
        );
        self.order(|order| {
            order.recycle += 1;
            order.reason = why;
        });
    }

    /// Returns the time since the current process was first seen.
    pub fn age(&self) -> Duration {
        self.facts().since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Returns when a process has started or ended. A slot whose service has ended no longer changes.
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
    std::future::poll_fn(|cx| {
        let any = changes.iter_mut().any(|change| change.as_mut().poll(cx).is_ready());
        if any { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn spec(context: &RoleContext<'_>, pool: &Pool, name: &str) -> Spec {
    let mut environment = context.environment("cauldron/worker");
    environment.set("CAULDRON_WORKER_GATE", context.queues().gate());
    environment.set("CAULDRON_REFUSED_SITES", refused::folder(&context.pod.runtime_dir));
    if let Some(jobs) = context.pod.config.workers.max_jobs {
        environment.set("CAULDRON_WORKER_MAX_JOBS", jobs.to_string());
    }
    Spec {
        args: ["-", "frappe", "worker", "--queue", &pool.name()].map(Into::into).into(),
        env: environment.into_map(),
        cwd: Some(context.sites()),
        stdin: Stdin::Bytes(SecretSlice::from(PRELUDE.as_bytes().to_vec())),
        // The worker finishes its job and takes no other.
        parent_death_signal: Some(nix::sys::signal::Signal::SIGTERM),
        output: context.output(ROLE.as_str(), name),
        ..Spec::new(name, context.pod.bench.python())
    }
}
