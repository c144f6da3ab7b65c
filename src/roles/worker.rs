//! The worker role: RQ processes, supervised one by one, ready when their own records in Redis say so.
//!
//! ```text
//!   slot.rs     one process: its service, and what is known of it
//!   records.rs  what Redis says of it: one pipeline for all
//!   gate.rs     whether a migration keeps all from running
//!   judge.rs    what follows from both: ready, recycle, stuck (pure)
//!   scale.rs    how many there should be (pure)
//!   hooks.rs    how it is told to stop, and what is seen when it ends
//!   settle.rs   the job that it had in hand then
//!   strays.rs   the job that it had not begun (pure)
//!   foreign.rs  jobs of sites that are not here
//! ```

mod foreign;
mod gate;
mod hooks;
mod job_recovery;
mod records;
mod scale;
mod slot;
mod strays;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use self::foreign::Foreign;
use self::job_recovery::JobRecovery;
use self::records::Records;
use self::scale::Scale;
use self::slot::Slot;
use self::strays::Strays;
use self::verdict::{Hold, Seen, judge};
use super::RoleContext;
use crate::backoff::{Backoff, Delays};
use crate::config::workers::{Pool, Workers};
use crate::status::handle::{Phase, RoleCheck};
use crate::supervise::orders::Run;
use crate::supervise::run_service::End;

pub const ROLE: &str = "worker";
/// From TERM to KILL: the longest that a job of the pool may take, and this.
const GRACE_AFTER_TIMEOUT: Duration = Duration::from_secs(30);
/// How a worker says that it has done its number of jobs (frappe/worker.py).
const DONE_CODE: i32 = 85;
/// Between two looks: until every process is registered, and then.
const FIRST_LOOKS: Backoff = Backoff::doubling(Duration::from_millis(100), Duration::from_millis(200));
const LOOK: Duration = Duration::from_secs(5);
/// A job that is put into an empty queue waits no longer for another process than this.
const LOOK_WHEN_SCALING: Duration = Duration::from_secs(1);

/// Works until a stop is asked for, or a process cannot be kept up.
pub async fn serve(around: &RoleContext<'_>) -> End {
    let workers = &around.pod.config.workers;
    let records = Records::new(around);
    around.pod.status.enter(Phase::Serving, None);
    let (stop_all, shutdown) = around.pod.shutdown.linked();
    let recovery = JobRecovery::start(around, &shutdown);
    let mut services = JoinSet::new();
    let mut slots = Vec::new();
    for (pool, number) in numbered(workers) {
        let (slot, service) = Slot::start(around, pool, number, &records, &recovery, &shutdown);
        slots.push(slot);
        services.spawn(service);
    }
    // What follows from CAULDRON_CLONE, a new start finds out.
    let is_copy = around.pod.status.read().copy_of.is_some();
    let mut watch = Watch::new(around, slots, records, recovery.clone());
    let mut end = None;
    loop {
        tokio::select! {
            ended = services.join_next() => match ended {
                Some(Ok(one)) => {
                    // One that cannot be kept up takes the others with it: the orchestrator is to see it.
                    if !matches!(one, End::Asked(..)) {
                        stop_all.ask();
                    }
                    end = Some(match end.take() {
                        Some(first @ (End::CrashLoop(_) | End::Ended(_) | End::NotStarted(_))) => first,
                        _ => one,
                    });
                }
                Some(Err(_)) => {}
                None => break,
            },
            check = watch.look(workers, is_copy) => {
                around.pod.status.check(ROLE, check);
            }
        }
    }
    recovery.finish().await;
    end.unwrap_or(End::Asked(nix::sys::signal::Signal::SIGTERM, None))
}

/// Every process that there may be: its pool, and its number in it.
fn numbered(workers: &Workers) -> impl Iterator<Item = (&Pool, u16)> {
    workers.pools.iter().flat_map(|pool| (1..=*pool.processes.end()).map(move |number| (pool, number)))
}

/// Looks at every process, again and again.
struct Watch {
    slots: Vec<Arc<Slot>>,
    records: Records,
    recovery: JobRecovery,
    foreign: Foreign,
    strays: Strays,
    scales: Vec<Scale>,
    next: Instant,
    first_looks: Delays,
}

impl Watch {
    fn new(around: &RoleContext<'_>, slots: Vec<Arc<Slot>>, records: Records, recovery: JobRecovery) -> Self {
        let pools = &around.pod.config.workers.pools;
        let scales = pools.iter().map(|pool| Scale::new(pool.processes.clone())).collect();
        let now = Instant::now();
        let (foreign, strays) = (Foreign::new(around), Strays::default());
        Self {
            slots,
            records,
            recovery,
            foreign,
            strays,
            scales,
            next: now,
            first_looks: FIRST_LOOKS.delays(),
        }
    }

    /// The next look, when it is due or a process was started or ended.
    async fn look(&mut self, workers: &Workers, is_copy: bool) -> RoleCheck {
        let due = tokio::time::Instant::from_std(self.next);
        let changed = slot::any_changed(&self.slots);
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = changed => self.first_looks.start_over(),
        }
        let asked = Instant::now();
        for slot in &self.slots {
            slot.look_at_process();
        }
        let mut seen = self.records.look(&self.slots, workers).await;
        if let (Ok(seen), true) = (&mut seen, is_copy) {
            seen.hold = Some(Hold::Copy);
        }
        let latency = asked.elapsed();
        let check = match seen {
            Err(problem) => {
                // They wait for it by themselves; a new one would only fail.
                for slot in &self.slots {
                    slot.order(|order| {
                        if order.run == Run::Yes {
                            order.run = Run::NotYet;
                        }
                    });
                }
                RoleCheck { latency, ..RoleCheck::red(format!("the queue Redis does not answer: {problem}")) }
            }
            Ok(mut seen) => {
                self.foreign.note(&seen.records).await;
                let strays = std::mem::take(&mut seen.strays);
                self.strays.due(strays, asked).into_iter().for_each(|stray| self.recovery.put_back(stray));
                RoleCheck { latency, ..self.act(&seen, workers) }
            }
        };
        self.pace();
        check
    }

    fn act(&mut self, seen: &Seen, workers: &Workers) -> RoleCheck {
        let counts: Vec<u16> = self
            .scales
            .iter_mut()
            .zip(&seen.waiting)
            .zip(&workers.pools)
            .map(|((scale, waiting), pool)| {
                let busy = self.slots.iter().any(|slot| slot.pool == pool.name() && slot.is_busy());
                scale.wanted(*waiting, busy, Instant::now())
            })
            .collect();
        judge(&self.slots, seen, &counts, workers)
    }

    fn pace(&mut self) {
        let all = self.slots.iter().all(|slot| slot.is_settled());
        let scaling = self.scales.iter().any(Scale::may_change);
        let longest = if scaling { LOOK_WHEN_SCALING } else { LOOK };
        let pause = if all { longest } else { self.first_looks.next_delay() };
        self.next = Instant::now() + pause;
    }
}
