//! Jobs: none lost, none on half-migrated tables.

use std::path::PathBuf;
use std::time::Duration;

use crate::place::{LONG, Place, SITE};
use crate::support::barrier::Barrier;
use crate::support::binary::Pod;
use crate::support::wait::{eventually, within};
use crate::upgrade::held_at;

pub fn worker(place: &Place) -> Pod {
    let mut worker = place.on(&place.old, "worker").set("CAULDRON_POOL", "default=2").start();
    worker.answers("/readyz", 200);
    worker
}

pub fn enqueue(place: &Place, method: &str, kwargs: &str) {
    let kwargs = format!("{{'method': '{method}', {kwargs}}}");
    let ran = place.old.run(&["--site", SITE, "execute", "frappe.sample.queue", "--kwargs", &kwargs]);
    assert_eq!(ran.exit, Some(0), "{}", ran.text);
}

/// A job that runs until it is released, and the worker that has it.
pub struct HeldJob {
    _worker: Pod,
    folder: tempfile::TempDir,
}

impl HeldJob {
    pub fn run(place: &Place) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let job = Self { _worker: worker(place), folder };
        let (started, release) = (job.path("started"), job.path("release"));
        let hold = format!("'started': '{}', 'release': '{}'", started.display(), release.display());
        enqueue(place, "frappe.sample.hold", &hold);
        eventually(LONG, "the job runs", || started.exists().then_some(()));
        job
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn release(&self) {
        std::fs::write(self.path("release"), "").expect("a file");
    }
}

pub fn lines(path: &std::path::Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn a_running_job_is_waited_for_and_none_begins_until_the_end() {
    let place = Place::with_release();
    let job = HeldJob::run(&place);
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = held_at(place.leader(&place.new), &barrier).start();
    leader.says("waiting for running jobs before the migration");
    leader.says("frappe.sample.hold");
    assert!(!place.in_maintenance(), "web serves while a job is waited for");
    let touch = format!("'path': '{}'", job.path("touched").display());
    for _ in 0..3 {
        enqueue(&place, "frappe.sample.touch", &touch);
    }
    job.release();
    let held = barrier.wait(LONG);
    assert_eq!(lines(&job.path("started")), 1);
    assert_eq!(lines(&job.path("touched")), 0, "none begins on half-migrated tables");
    assert_eq!(place.redis.ask::<usize>(1, &["LLEN", "rq:queue:one:default"]), 3);
    held.release();
    leader.end().exits(0).says("migrated");
    eventually(LONG, "the jobs are done", || (lines(&job.path("touched")) == 3).then_some(()));
    place.is_migrated();
}

/// Redis forgets the hold in the middle of it: the record in the database keeps the workers from running.
#[test]
fn a_redis_that_was_lost_lets_nobody_through() {
    let mut place = Place::with_release();
    let worker = worker(&place);
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = held_at(place.leader(&place.new), &barrier).start();
    let held = barrier.wait(LONG);
    eventually(LONG, "no worker runs", || {
        place.redis.ask::<Vec<String>>(1, &["SMEMBERS", "rq:workers:one:default"]).is_empty().then_some(())
    });
    // A leader whose supervisor is paused renews nothing: the record alone is left.
    leader.signal(nix::sys::signal::Signal::SIGSTOP);
    place.redis.kill_9();
    place.redis.start_again();
    let began = within(Duration::from_secs(8), || {
        let workers: Vec<String> = place.redis.ask(1, &["SMEMBERS", "rq:workers:one:default"]);
        (!workers.is_empty()).then_some(())
    });
    assert!(began.is_none(), "a worker was started:\n{}", worker.log());
    leader.signal(nix::sys::signal::Signal::SIGCONT);
    held.release();
    leader.end();
    if place.gate()["stage"] != "open" {
        place.leader(&place.new).run().exits(0);
    }
    place.is_migrated();
    eventually(LONG, "workers again", || {
        (!place.redis.ask::<Vec<String>>(1, &["SMEMBERS", "rq:workers:one:default"]).is_empty()).then_some(())
    });
}

/// Without a limit the job is waited for, however long it takes.
#[test]
fn a_drain_without_limit_waits_for_the_job() {
    let place = Place::with_release();
    let job = HeldJob::run(&place);
    let leader = place.leader(&place.new).set("CAULDRON_MIGRATE_DRAIN", "0").start();
    leader.says("waiting for running jobs before the migration");
    job.release();
    let ended = leader.end().exits(0).says("migrated");
    assert!(!ended.stderr.contains("jobs were still running"), "{ended}");
    place.is_migrated();
}

/// A job that takes longer than it may: the old version goes on.
#[test]
fn a_job_that_does_not_end_puts_the_migration_off() {
    let place = Place::with_release();
    let job = HeldJob::run(&place);
    let leader = place.leader(&place.new).set("CAULDRON_MIGRATE_DRAIN", "1s").start();
    leader.says("jobs were still running after 1 s: frappe.sample.hold");
    leader.says("after_a_change=false");
    eventually(LONG, "nobody is held", || {
        (place.redis_value("cauldron:gate:one").is_none() && !place.in_maintenance()).then_some(())
    });
    job.release();
    leader.end().exits(0).says("migrated");
    place.is_migrated();
}
