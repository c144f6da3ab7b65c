//! Conclusions from /proc and Redis about our workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::scale::Waiting;
use super::slot::{Facts, Slot};
use super::strays::Stray;
use crate::config::workers::Workers;
use crate::status::handle::RoleCheck;
use crate::supervise::orders::Run;
use crate::supervise::service::State;
use crate::sys::proc;

/// RQ itself kills a work-horse 60 to 90 s after its job's timeout; after this, it has failed to.
const RQ_KILL_TIMEOUT: Duration = Duration::from_secs(100);
/// A process that has written no record for this long hangs.
pub const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(60);

/// The state of queues and workers in Redis at one poll.
#[derive(Debug, Default)]
pub struct RedisSnapshot {
    /// The reason that no worker may run.
    pub pause: Option<PauseReason>,
    /// In the order of the pools.
    pub waiting: Vec<Waiting>,
    /// The records of known workers, by key.
    pub records: BTreeMap<String, Record>,
    /// Jobs between a queue and a worker.
    pub strays: Vec<Stray>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// A migration runs.
    Gate,
    /// The site is a copy of another installation's site; the jobs may be that installation's.
    Copy,
}

impl PauseReason {
    fn why(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Copy => "copy",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Gate => "stopped while the site is migrated",
            Self::Copy => {
                "a copy of another installation's site: no worker runs until CAULDRON_CLONE names it"
            }
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub exists: bool,
    /// True if it is in `rq:workers`, where others find it.
    pub in_set: bool,
    pub job: Option<String>,
    /// Timeout of the job seen at the last poll; -1 means none.
    pub timeout_s: Option<i64>,
    /// Number of jobs parked or left in the queue because this bench lacks their site, and the site of the last one.
    pub foreign_jobs: u64,
    pub foreign_site: Option<String>,
}

/// The conclusion about one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No process runs, or its record is not known yet.
    Starting,
    Ready,
    /// It works, and should be replaced as soon as it is idle.
    Recycle(&'static str),
    /// RQ should have ended its job long ago.
    Stuck,
}

/// Evaluates one process; pure.
pub fn verdict(
    facts: &Facts,
    record: Option<&Record>,
    horse_age: Option<Duration>,
    resident_bytes: u64,
    max_memory_bytes: Option<u64>,
) -> Verdict {
    let (Some(_), Some(record)) = (facts.pid, record) else { return Verdict::Starting };
    if let (Some(age), Some(timeout)) = (horse_age, record.timeout_s.and_then(|s| u64::try_from(s).ok()))
        && age > Duration::from_secs(timeout) + RQ_KILL_TIMEOUT
    {
        return Verdict::Stuck;
    }
    // After a restart of Redis, RQ never registers again (docs/frappe-jobs.md#lost-registration).
    if !record.in_set && facts.horse.is_none() {
        return Verdict::Recycle("record");
    }
    if max_memory_bytes.is_some_and(|max| resident_bytes > max) {
        return Verdict::Recycle("memory");
    }
    Verdict::Ready
}

/// Gives orders to all slots, and returns the state of the role.
pub fn apply(slots: &[Arc<Slot>], snapshot: &RedisSnapshot, counts: &[u16], workers: &Workers) -> RoleCheck {
    let mut note = Note::default();
    let mut problem = None;
    for (pool, count) in workers.pools.iter().zip(counts) {
        let name = pool.name();
        let mut ready = 0;
        for slot in slots.iter().filter(|slot| slot.pool == name) {
            let (run, why) = match (snapshot.pause, slot.number <= *count) {
                (Some(pause), _) => (Run::No, pause.why()),
                (None, false) => (Run::No, "scale"),
                (None, true) => (Run::Yes, ""),
            };
            slot.order(|order| {
                if order.run != run {
                    (order.run, order.reason) = (run, why);
                }
            });
            ready += u16::from(apply_to(slot, snapshot, workers, &mut note));
        }
        if ready == 0 && snapshot.pause.is_none() {
            problem.get_or_insert(format!("no worker of {name} has its record in Redis"));
        }
    }
    note.pause = snapshot.pause;
    RoleCheck { problem, note: note.text(), ..RoleCheck::default() }
}

/// Acts on the verdict of one slot, and returns true if its process is registered.
fn apply_to(slot: &Slot, snapshot: &RedisSnapshot, workers: &Workers, note: &mut Note) -> bool {
    let (record, verdict, job) = {
        let mut facts = slot.facts();
        let record = facts.key.as_ref().and_then(|key| snapshot.records.get(key));
        facts.registered = record.is_some_and(|record| record.exists);
        facts.job = record.and_then(|record| record.job.clone());
        let resident = match (facts.pid, workers.max_memory_bytes) {
            (Some(pid), Some(_)) => proc::resident_bytes_of_group(pid),
            _ => 0,
        };
        let horse_age = facts.horse.and_then(proc::age);
        let verdict = verdict(&facts, record, horse_age, resident, workers.max_memory_bytes);
        (record, verdict, facts.job.clone().unwrap_or_default())
    };
    // A stopping worker still finishes its job.
    let runs = matches!(slot.state(), State::Running | State::Draining | State::Stopping);
    note.processes += usize::from(runs);
    note.busy += usize::from(slot.is_busy());
    match verdict {
        Verdict::Starting if runs && slot.age() > REGISTRATION_TIMEOUT => note.silent.push(slot.name.clone()),
        // A stopping worker has removed its own record; the reason of the stop is logged elsewhere.
        Verdict::Recycle(why) if slot.state() == State::Running => slot.recycle(why),
        Verdict::Stuck => {
            note.stuck.push(job.clone());
            if !std::mem::replace(&mut slot.facts().stuck_logged, true) {
                tracing::warn!(
                    event = "job.stuck",
                    child = slot.name,
                    job,
                    "a job has exceeded its timeout, and RQ has not ended it"
                );
            }
        }
        Verdict::Starting | Verdict::Ready | Verdict::Recycle(_) => {}
    }
    runs && record.is_some_and(|record| record.exists)
}

/// Details for the note of the role's check.
#[derive(Default)]
struct Note {
    processes: usize,
    busy: usize,
    stuck: Vec<String>,
    silent: Vec<String>,
    pause: Option<PauseReason>,
}

impl Note {
    fn text(&self) -> String {
        let mut text = format!("{} processes, {} busy", self.processes, self.busy);
        if let Some(pause) = self.pause {
            text.push_str("; ");
            text.push_str(pause.text());
        }
        for (what, names) in [("stuck job", &self.stuck), ("no record after a minute", &self.silent)] {
            if !names.is_empty() {
                text.push_str(&format!("; {what}: {}", names.join(", ")));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: Record = Record {
        exists: true,
        in_set: true,
        job: None,
        timeout_s: Some(300),
        foreign_jobs: 0,
        foreign_site: None,
    };

    fn facts(horse: Option<i32>) -> Facts {
        Facts { pid: Some(7), horse, ..Facts::default() }
    }

    fn evaluate(facts: &Facts, record: &Record, horse_age_s: u64) -> Verdict {
        let age = facts.horse.map(|_| Duration::from_secs(horse_age_s));
        verdict(facts, Some(record), age, 200, Some(200))
    }

    #[test]
    fn a_worker_with_a_record_is_ready() {
        assert_eq!(evaluate(&facts(None), &RECORD, 0), Verdict::Ready);
        assert_eq!(verdict(&facts(None), None, None, 0, None), Verdict::Starting);
        assert_eq!(verdict(&Facts::default(), Some(&RECORD), None, 0, None), Verdict::Starting);
    }

    #[test]
    fn a_worker_missing_from_the_set_is_recycled_when_idle() {
        let unlisted = Record { in_set: false, ..RECORD };
        assert_eq!(evaluate(&facts(None), &unlisted, 0), Verdict::Recycle("record"));
        assert_eq!(evaluate(&facts(Some(8)), &unlisted, 1), Verdict::Ready);
        let deleted = Record { exists: false, in_set: false, ..RECORD };
        assert_eq!(evaluate(&facts(None), &deleted, 0), Verdict::Recycle("record"));
    }

    #[test]
    fn a_worker_over_its_memory_limit_is_recycled() {
        assert_eq!(verdict(&facts(None), Some(&RECORD), None, 201, Some(200)), Verdict::Recycle("memory"));
    }

    #[test]
    fn a_job_that_rq_should_have_ended_is_stuck() {
        assert_eq!(evaluate(&facts(Some(8)), &RECORD, 399), Verdict::Ready);
        assert_eq!(evaluate(&facts(Some(8)), &RECORD, 401), Verdict::Stuck);
        let endless = Record { timeout_s: Some(-1), ..RECORD };
        assert_eq!(evaluate(&facts(Some(8)), &endless, 100_000), Verdict::Ready);
    }
}
