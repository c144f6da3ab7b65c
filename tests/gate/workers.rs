//! Jobs during a migration: none is lost, and none runs on half-migrated tables.

use std::path::PathBuf;
use std::time::Duration;

use crate::stage::{GateStage, LONG, SITE};
use crate::support::barrier::Barrier;
use crate::support::binary::{Pod, event};
use crate::support::stage::ready;
use crate::support::wait::{eventually, within};
use crate::upgrade::held_at;

pub fn worker(stage: &GateStage) -> Pod {
    ready(stage.command_on(stage.old(), "worker").set("CAULDRON_POOL", "default=2"))
}

pub fn enqueue(stage: &GateStage, method: &str, kwargs: &str) {
    let kwargs = format!("{{'method': '{method}', {kwargs}}}");
    let ran = stage.old().run(&["--site", SITE, "execute", "frappe.sample.queue", "--kwargs", &kwargs]);
    assert_eq!(ran.exit, Some(0), "{}", ran.text);
}

/// A job that runs until it is released, and the worker that runs it.
pub struct HeldJob {
    _worker: Pod,
    folder: tempfile::TempDir,
}

impl HeldJob {
    pub fn run(stage: &GateStage) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let job = Self { _worker: worker(stage), folder };
        let (started, release) = (job.path("started"), job.path("release"));
        let hold = format!("'started': '{}', 'release': '{}'", started.display(), release.display());
        enqueue(stage, "frappe.sample.hold", &hold);
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
fn a_running_job_is_waited_for_and_no_job_starts_until_the_end() {
    let stage = GateStage::with_release();
    let job = HeldJob::run(&stage);
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    leader.event("migration.waiting_for_jobs");
    leader.says("frappe.sample.hold");
    assert!(!stage.in_maintenance(), "web serves while the leader waits for a job");
    let touch = format!("'path': '{}'", job.path("touched").display());
    for _ in 0..3 {
        enqueue(&stage, "frappe.sample.touch", &touch);
    }
    job.release();
    let held = barrier.wait(LONG);
    assert_eq!(lines(&job.path("started")), 1);
    assert_eq!(lines(&job.path("touched")), 0, "no job starts on half-migrated tables");
    assert_eq!(stage.redis.ask::<usize>(1, &["LLEN", "rq:queue:one:default"]), 3);
    held.release();
    leader.end().exits(0).event("migration.finished");
    eventually(LONG, "the jobs are done", || (lines(&job.path("touched")) == 3).then_some(()));
    stage.is_migrated();
}

/// The workers end and start again on purpose.
#[test]
fn the_restart_after_a_migration_is_no_failure() {
    let stage = GateStage::with_release();
    let mut worker = worker(&stage);
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    // A migration that is over before the role has looked for it restarts nothing.
    worker.event("service.stopped_by_role");
    held.release();
    leader.end().exits(0).event("migration.finished");
    worker.answers("/readyz", 200);
    assert!(!worker.log().contains(&event("health.role_failed")), "{}", worker.log());
    stage.is_migrated();
}

/// The worker began before the bench got another id.
#[test]
fn a_running_job_in_a_queue_of_the_former_bench_id_is_waited_for() {
    let stage = GateStage::with_release();
    let job = HeldJob::run(&stage);
    let leader = stage.leader_on(&stage.new).set("CAULDRON_BENCH_ID", "two").start();
    leader.event("migration.waiting_for_jobs");
    leader.says("frappe.sample.hold");
    assert!(!stage.in_maintenance(), "web serves while the leader waits for a job");
    job.release();
    leader.end().exits(0).event("migration.finished");
    assert_eq!(lines(&job.path("started")), 1);
    stage.is_migrated();
}

/// Redis loses the pause key during a migration: the record in the database keeps the workers from running.
#[test]
fn workers_stay_paused_when_redis_loses_its_keys() {
    let mut stage = GateStage::with_release();
    let worker = worker(&stage);
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    eventually(LONG, "no worker runs", || {
        stage.redis.ask::<Vec<String>>(1, &["SMEMBERS", "rq:workers:one:default"]).is_empty().then_some(())
    });
    // A leader whose supervisor is stopped renews nothing: only the record is left.
    leader.signal(nix::sys::signal::Signal::SIGSTOP);
    stage.redis.kill_9();
    stage.redis.start_again();
    let began = within(Duration::from_secs(8), || {
        let workers: Vec<String> = stage.redis.ask(1, &["SMEMBERS", "rq:workers:one:default"]);
        (!workers.is_empty()).then_some(())
    });
    assert!(began.is_none(), "a worker was started:\n{}", worker.log());
    leader.signal(nix::sys::signal::Signal::SIGCONT);
    held.release();
    leader.end();
    if stage.gate()["stage"] != "open" {
        stage.leader_on(&stage.new).run().exits(0);
    }
    stage.is_migrated();
    eventually(LONG, "workers again", || {
        (!stage.redis.ask::<Vec<String>>(1, &["SMEMBERS", "rq:workers:one:default"]).is_empty()).then_some(())
    });
}

/// Without a limit the leader waits for the job, however long it takes.
#[test]
fn a_drain_without_limit_waits_for_the_job() {
    let stage = GateStage::with_release();
    let job = HeldJob::run(&stage);
    let leader = stage.leader_on(&stage.new).set("CAULDRON_MIGRATE_DRAIN", "0").start();
    leader.event("migration.waiting_for_jobs");
    job.release();
    let ended = leader.end().exits(0).event("migration.finished");
    assert!(!ended.stderr.contains("jobs were still running"), "{ended}");
    stage.is_migrated();
}

/// A job runs longer than the drain allows: the old version keeps serving.
#[test]
fn a_job_that_does_not_end_postpones_the_migration() {
    let stage = GateStage::with_release();
    let job = HeldJob::run(&stage);
    let leader = stage.leader_on(&stage.new).set("CAULDRON_MIGRATE_DRAIN", "1s").start();
    leader.says("jobs were still running after 1 s: frappe.sample.hold");
    leader.says("\"after_a_change\":false");
    eventually(LONG, "workers and requests are not stopped", || {
        (stage.redis_value("cauldron:gate:one").is_none() && !stage.in_maintenance()).then_some(())
    });
    job.release();
    leader.end().exits(0).event("migration.finished");
    stage.is_migrated();
}
