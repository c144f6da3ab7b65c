//! The worker role: RQ processes, supervised one by one, ready when they have records in Redis.
//!
//! ```text
//!   slot.rs          one process: its service, and its known state
//!   records.rs       the workers' records in Redis, read in one pipeline
//!   gate.rs          whether a migration pauses all workers
//!   verdict.rs       the conclusions: ready, recycle, stuck (pure)
//!   restart.rs       whether the role restarts on purpose (pure)
//!   scale.rs         the number of processes of a pool (pure)
//!   hooks.rs         the stop of a process, and the handling of its end
//!   job_recovery.rs  the job that an ended process was running
//!   job_programs.rs  the Python programs that change a job
//!   strays.rs        jobs that a process took but did not begin (pure)
//!   used_queues.rs   the queues in which jobs may wait, of each bench id (pure)
//!   moves.rs         moves jobs from other names to the present one
//!   foreign.rs       jobs of sites that this bench lacks
//!   parked.rs        such jobs, outside the queues
//! ```

mod foreign;
mod gate;
mod hooks;
mod job_programs;
mod job_recovery;
mod moves;
mod parked;
mod records;
mod restart;
mod scale;
mod slot;
mod strays;
mod used_queues;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use self::foreign::ForeignJobs;
use self::job_recovery::JobRecovery;
use self::moves::Moves;
use self::parked::ParkedJobs;
use self::records::Records;
use self::restart::Restart;
use self::scale::Scale;
use self::slot::Slot;
use self::strays::Strays;
use self::verdict::{PauseReason, RedisSnapshot};
use super::RoleContext;
use crate::backoff::{Backoff, Delays};
use crate::config::workers::{Pool, Workers};
use crate::status::handle::{Phase, RoleCheck, RoleName};
use crate::supervise::orders::Run;
use crate::supervise::run_service::End;

const ROLE: RoleName = RoleName::Worker;
/// From TERM to KILL: the longest job timeout of the pool, plus this.
const GRACE_AFTER_TIMEOUT: Duration = Duration::from_secs(30);
/// Exit code of a worker that has run its maximum number of jobs (frappe/worker.py).
const DONE_CODE: i32 = 85;
/// Between two polls: until every process is registered, and afterwards.
const STARTUP_POLL_BACKOFF: Backoff =
    Backoff::doubling(Duration::from_millis(100), Duration::from_millis(200));
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Bounds the time that a job in an empty queue waits for another process.
const SCALING_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Runs until a stop is requested or a process crash-loops.
pub async fn serve(context: &RoleContext<'_>) -> End {
    let workers = &context.pod.config.workers;
    let records = Records::new(context);
    context.pod.status.enter(Phase::Serving, None);
    let (stop_all, shutdown) = context.pod.shutdown.linked();
    let recovery = JobRecovery::start(context, &shutdown);
    let mut services = JoinSet::new();
    let mut slots = Vec::new();
    for (pool, number) in numbered(workers) {
        let (slot, service) = Slot::start(context, pool, number, &records, &recovery, &shutdown);
        slots.push(slot);
        services.spawn(service);
    }
    // A change of CAULDRON_CLONE takes effect at the next start.
    let is_copy = context.pod.status.read().copy_of.is_some();
    let mut monitor = Monitor::new(context, slots, records, recovery.clone());
    let mut end = None;
    loop {
        tokio::select! {
            ended = services.join_next() => match ended {
                Some(Ok(one)) => {
                    // A process that crash-loops stops the others too, so that the orchestrator notices.
                    if !matches!(one, End::StopRequested(..)) {
                        stop_all.request_stop();
                    }
                    end = Some(match end.take() {
                        None | Some(End::StopRequested(..)) => one,
                        Some(first) => first,
                    });
                }
                Some(Err(_)) => {}
                None => break,
            },
            check = monitor.poll(workers, is_copy) => {
                context.pod.status.check(ROLE, check);
            }
        }
    }
    recovery.finish().await;
    monitor.moves.end(&monitor.parked).await;
    monitor.parked.end().await;
    end.unwrap_or(End::StopRequested(nix::sys::signal::Signal::SIGTERM, None))
}

/// Returns every possible process: its pool, and its number in the pool.
fn numbered(workers: &Workers) -> impl Iterator<Item = (&Pool, u16)> {
    workers.pools.iter().flat_map(|pool| (1..=*pool.processes.end()).map(move |number| (pool, number)))
}

/// Polls the state of every process.
struct Monitor {
    slots: Vec<Arc<Slot>>,
    records: Records,
    recovery: JobRecovery,
    foreign: ForeignJobs,
    parked: ParkedJobs,
    moves: Moves,
    strays: Strays,
    restart: Restart,
    scales: Vec<Scale>,
    next_poll: Instant,
    startup_delays: Delays,
}

impl Monitor {
    fn new(
        context: &RoleContext<'_>,
        slots: Vec<Arc<Slot>>,
        records: Records,
        recovery: JobRecovery,
    ) -> Self {
        let pools = &context.pod.config.workers.pools;
        let scales = pools.iter().map(|pool| Scale::new(pool.processes.clone())).collect();
        let now = Instant::now();
        let (foreign, strays) = (ForeignJobs::new(context), Strays::default());
        Self {
            slots,
            records,
            recovery,
            foreign,
            parked: ParkedJobs::new(context),
            moves: Moves::new(context),
            strays,
            restart: Restart::default(),
            scales,
            next_poll: now,
            startup_delays: STARTUP_POLL_BACKOFF.delays(),
        }
    }

    /// Polls when the interval is over, or at once when a process has started or ended.
    async fn poll(&mut self, workers: &Workers, is_copy: bool) -> RoleCheck {
        let due = tokio::time::Instant::from_std(self.next_poll);
        let changed = slot::any_changed(&self.slots);
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = changed => self.startup_delays.reset(),
        }
        let started_at = Instant::now();
        for slot in &self.slots {
            slot.inspect_process();
        }
        let mut snapshot = self.records.read(&self.slots, workers).await;
        if let (Ok(snapshot), true) = (&mut snapshot, is_copy) {
            snapshot.pause = Some(PauseReason::Copy);
        }
        let latency = started_at.elapsed();
        let check = match snapshot {
            Err(problem) => {
                // Running workers wait for Redis themselves; a new one would only fail.
                for slot in &self.slots {
                    slot.order(|order| {
                        if order.run == Run::Yes {
                            order.run = Run::NotYet;
                        }
                    });
                }
                RoleCheck {
                    latency,
                    ..RoleCheck::failed(format!("the queue Redis does not answer: {problem}"))
                }
            }
            Ok(mut snapshot) => {
                self.foreign.record(&snapshot.records).await;
                self.parked.poll().await;
                let mut strays = std::mem::take(&mut snapshot.strays);
                strays.extend(self.moves.poll(&self.parked).await);
                self.strays
                    .due(strays, started_at)
                    .into_iter()
                    .for_each(|stray| self.recovery.put_back(stray));
                RoleCheck { latency, ..self.apply(&snapshot, workers) }
            }
        };
        self.schedule_next_poll();
        check
    }

    fn apply(&mut self, snapshot: &RedisSnapshot, workers: &Workers) -> RoleCheck {
        let counts: Vec<u16> = self
            .scales
            .iter_mut()
            .zip(&snapshot.waiting)
            .zip(&workers.pools)
            .map(|((scale, waiting), pool)| {
                let busy = self.slots.iter().any(|slot| slot.pool == pool.name() && slot.is_busy());
                scale.update(*waiting, busy, Instant::now())
            })
            .collect();
        let check = verdict::apply(&self.slots, snapshot, &counts, workers);
        self.restart.follow(check, snapshot.pause, Instant::now())
    }

    fn schedule_next_poll(&mut self) {
        let all_steady = self.slots.iter().all(|slot| slot.is_steady());
        let scaling = self.scales.iter().any(Scale::may_change);
        let interval = if scaling { SCALING_POLL_INTERVAL } else { POLL_INTERVAL };
        let delay = if all_steady { interval } else { self.startup_delays.next_delay() };
        self.next_poll = Instant::now() + delay;
    }
}
