//! What follows from what /proc and Redis say of our workers.

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

/// RQ kills a work-horse by itself 60 to 90 s after its job's time; past this it did not.
const RQ_KILLS_WITHIN: Duration = Duration::from_secs(100);
/// A process that has written no record for so long will not: it hangs.
const REGISTERS_WITHIN: Duration = Duration::from_secs(60);

/// One look at Redis.
#[derive(Debug, Default)]
pub struct Seen {
    /// Why no worker is to run.
    pub hold: Option<Hold>,
    /// By pool.
    pub waiting: Vec<Waiting>,
    /// By key, of those that are known.
    pub records: BTreeMap<String, Record>,
    /// What stands between a queue and a worker.
    pub strays: Vec<Stray>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Somebody migrates.
    Gate,
    /// The site is a copy of another installation's, whose jobs these may be.
    Copy,
}

impl Hold {
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
    /// Others can find it: it is in `rq:workers`.
    pub in_set: bool,
    pub job: Option<String>,
    /// Of its job of the last look; -1 has none.
    pub timeout_s: Option<i64>,
    /// How many jobs it left to others because their site is not here, and the last one's site.
    pub foreign_jobs: u64,
    pub foreign_site: Option<String>,
}

/// What is to be done about one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing runs, or nothing is known yet.
    Starting,
    Ready,
    /// It works, and a new one should take its place as soon as it is idle.
    Recycle(&'static str),
    /// RQ should have ended its job long ago.
    Stuck,
}

/// One process: pure.
pub fn verdict(
    facts: &Facts,
    record: Option<&Record>,
    horse_age: Option<Duration>,
    resident_bytes: u64,
    max_memory_bytes: Option<u64>,
) -> Verdict {
    let (Some(_), Some(record)) = (facts.pid, record) else { return Verdict::Starting };
    if let (Some(age), Some(timeout)) = (horse_age, record.timeout_s.and_then(|s| u64::try_from(s).ok()))
        && age > Duration::from_secs(timeout) + RQ_KILLS_WITHIN
    {
        return Verdict::Stuck;
    }
    // After a restart of Redis RQ never registers again (docs/frappe-jobs.md#lost-registration).
    if !record.in_set && facts.horse.is_none() {
        return Verdict::Recycle("record");
    }
    if max_memory_bytes.is_some_and(|max| resident_bytes > max) {
        return Verdict::Recycle("memory");
    }
    Verdict::Ready
}

/// Gives the orders, and says how the role is.
pub fn judge(slots: &[Arc<Slot>], seen: &Seen, counts: &[u16], workers: &Workers) -> RoleCheck {
    let mut note = Note::default();
    let mut problem = None;
    for (pool, count) in workers.pools.iter().zip(counts) {
        let name = pool.name();
        let mut ready = 0;
        for slot in slots.iter().filter(|slot| slot.pool == name) {
            let (run, why) = match (seen.hold, slot.number <= *count) {
                (Some(hold), _) => (Run::No, hold.why()),
                (None, false) => (Run::No, "scale"),
                (None, true) => (Run::Yes, ""),
            };
            slot.order(|order| {
                if order.run != run {
                    (order.run, order.why) = (run, why);
                }
            });
            ready += u16::from(look(slot, seen, workers, &mut note));
        }
        if ready == 0 && seen.hold.is_none() {
            problem.get_or_insert(format!("no worker of {name} has its record in Redis"));
        }
    }
    note.hold = seen.hold;
    RoleCheck { problem, note: note.text(), ..RoleCheck::default() }
}

/// One slot: whether its process is registered.
fn look(slot: &Slot, seen: &Seen, workers: &Workers, note: &mut Note) -> bool {
    let (record, verdict, job) = {
        let mut facts = slot.facts();
        let record = facts.key.as_ref().and_then(|key| seen.records.get(key));
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
    // One that was told to stop still finishes its job.
    let runs = matches!(slot.state(), State::Running | State::Draining | State::Stopping);
    note.processes += usize::from(runs);
    note.busy += usize::from(slot.is_busy());
    match verdict {
        Verdict::Starting if runs && slot.age() > REGISTERS_WITHIN => note.silent.push(slot.name.clone()),
        // A worker that stops has removed its own record; why it stops is logged elsewhere.
        Verdict::Recycle(why) if slot.state() == State::Running => slot.recycle(why),
        Verdict::Stuck => {
            note.stuck.push(job.clone());
            if !std::mem::replace(&mut slot.facts().stuck, true) {
                tracing::warn!(child = slot.name, job, "its job is past its time, and RQ has not ended it");
            }
        }
        Verdict::Starting | Verdict::Ready | Verdict::Recycle(_) => {}
    }
    runs && record.is_some_and(|record| record.exists)
}

/// What is told beside the verdict.
#[derive(Default)]
struct Note {
    processes: usize,
    busy: usize,
    stuck: Vec<String>,
    silent: Vec<String>,
    hold: Option<Hold>,
}

impl Note {
    fn text(&self) -> String {
        let mut text = format!("{} processes, {} busy", self.processes, self.busy);
        if let Some(hold) = self.hold {
            text.push_str("; ");
            text.push_str(hold.text());
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

    fn of(facts: &Facts, record: &Record, horse_age_s: u64) -> Verdict {
        let age = facts.horse.map(|_| Duration::from_secs(horse_age_s));
        verdict(facts, Some(record), age, 200, Some(200))
    }

    #[test]
    fn a_record_of_its_own_makes_it_ready() {
        assert_eq!(of(&facts(None), &RECORD, 0), Verdict::Ready);
        assert_eq!(verdict(&facts(None), None, None, 0, None), Verdict::Starting);
        assert_eq!(verdict(&Facts::default(), Some(&RECORD), None, 0, None), Verdict::Starting);
    }

    #[test]
    fn one_that_others_cannot_see_is_recycled_when_it_is_idle() {
        let bare = Record { in_set: false, ..RECORD };
        assert_eq!(of(&facts(None), &bare, 0), Verdict::Recycle("record"));
        assert_eq!(of(&facts(Some(8)), &bare, 1), Verdict::Ready);
        let gone = Record { exists: false, in_set: false, ..RECORD };
        assert_eq!(of(&facts(None), &gone, 0), Verdict::Recycle("record"));
    }

    #[test]
    fn one_that_is_fat_is_recycled() {
        assert_eq!(verdict(&facts(None), Some(&RECORD), None, 201, Some(200)), Verdict::Recycle("memory"));
    }

    #[test]
    fn a_job_that_rq_should_have_ended_is_stuck() {
        assert_eq!(of(&facts(Some(8)), &RECORD, 399), Verdict::Ready);
        assert_eq!(of(&facts(Some(8)), &RECORD, 401), Verdict::Stuck);
        let endless = Record { timeout_s: Some(-1), ..RECORD };
        assert_eq!(of(&facts(Some(8)), &endless, 100_000), Verdict::Ready);
    }
}
