//! A Redis password that changes while the roles serve: processes with the old one are replaced, and no job is lost.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::container::Container;
use crate::generations::on_each_generation;
use crate::processes::{child, children, status};
use crate::scheduler;
use crate::stage::{LONG, RolesStage};
use crate::support::binary::{Binary, Pod, event};
use crate::support::port;
use crate::support::redis::{Options, Redis};
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::worker::SOON;

const OLD: &str = "the-old-one";
const NEW: &str = "the-new-one";

on_each_generation![every_role_follows_a_changed_secret, changes_of_common_site_config_are_applied];

fn with_password(stage: RolesStage) -> RolesStage {
    RolesStage { redis: Redis::start_with(Options::default().password(OLD)), ..stage }
}

/// The Redis URLs as mounted files.
struct Secret(tempfile::TempDir);

impl Secret {
    fn new(stage: &RolesStage) -> Self {
        let secret = Self(tempfile::tempdir().expect("a folder"));
        secret.write(stage, OLD);
        secret
    }

    fn file(&self, database: u8) -> PathBuf {
        self.0.path().join(format!("url-{database}"))
    }

    fn write(&self, stage: &RolesStage, password: &str) {
        for database in [0, 1] {
            fs::write(self.file(database), url(stage, database, password)).expect("a secret");
        }
    }

    fn given_to(&self, binary: Binary) -> Binary {
        binary
            .unset("REDIS_CACHE")
            .unset("REDIS_QUEUE")
            .set("REDIS_CACHE_FILE", self.file(0).display())
            .set("REDIS_QUEUE_FILE", self.file(1).display())
    }
}

fn url(stage: &RolesStage, database: u8, password: &str) -> String {
    format!("redis://:{password}@127.0.0.1:{}/{database}", stage.redis.port())
}

/// The server accepts only the new password from now on; existing connections stay open.
fn change_password(stage: &mut RolesStage) {
    stage.redis.ask::<String>(0, &["CONFIG", "SET", "requirepass", NEW]);
    stage.redis.knows_password(NEW);
    let old = redis::Client::open(url(stage, 0, OLD)).expect("a URL").get_connection();
    assert!(old.is_err(), "the old password is still accepted: the test proves nothing");
}

fn renewed(pod: &Pod) -> bool {
    let status = status(pod);
    let children = status["children"].as_array().cloned().unwrap_or_default();
    !children.is_empty()
        && children.iter().all(|child| child["restart_reasons"]["secret"].as_i64() >= Some(1))
}

fn every_role_follows_a_changed_secret(stage: RolesStage) {
    let (_alone, mut stage) = (scheduler::alone(), with_password(stage));
    let secret = Secret::new(&stage);
    let web = port::free();
    let pod = |role: &str| secret.given_to(stage.command(role));
    let worker = ready(pod("worker").set("WORKER_QUEUES", "short"));
    let ticking = ready(pod("scheduler"));
    let socketio = ready(pod("socketio").set("SOCKETIO_PORT", port::free()));
    let front = pod("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{web}"));
    let front = ready(front.set("CAULDRON_BOOTSTRAP", "follow").set("GUNICORN_WORKERS", 1));
    // A job that runs at that time is finished by its process.
    let job = stage.job("during", "short");
    job.wait_for_start();
    change_password(&mut stage);
    secret.write(&stage, NEW);
    worker.event("worker.stop_waits_for_job");
    job.release();
    job.wait_for_end();
    for pod in [&worker, &ticking, &socketio] {
        eventually(LONG, "replaced", || renewed(pod).then_some(()));
    }
    for mut pod in [worker, ticking, socketio, front] {
        pod.event("secret.applied");
        pod.answers("/readyz", 200);
        assert_eq!(status(&pod)["children"][0]["restart_reasons"]["crash"].as_i64().unwrap_or(0), 0);
        if pod.log().contains(&event("worker.stop_waits_for_job")) {
            let after = stage.job("after", "short");
            after.release();
            after.wait_for_end();
        }
        let log = pod.log();
        // Frappe itself prints the refused URL before it is replaced; our own lines do not.
        let mut ours = log.lines().filter(|line| !line.contains("Please make sure that Redis Queue runs"));
        let leak = ours.find(|line| line.contains(OLD) || line.contains(NEW));
        assert_eq!(leak, None, "a secret in the log");
        pod.signal(Signal::SIGTERM);
        pod.end_within(SOON).exits(0);
    }
    assert_eq!(stage.registries("during"), ["finished"]);
}

/// As in the chart: no REDIS_* variables; common_site_config.json has the URLs.
fn changes_of_common_site_config_are_applied(stage: RolesStage) {
    let mut stage = with_password(stage);
    let container = Container::new(&stage);
    write_common(&stage, &container, OLD);
    let binary = stage
        .command("worker")
        .unset("REDIS_CACHE")
        .unset("REDIS_QUEUE")
        .set("CAULDRON_BENCH", container.path().display())
        .set("WORKER_QUEUES", "short");
    let mut pod = ready(binary);
    let before = child(&pod);
    // A rewrite without a change of the URLs has no effect.
    write_common(&stage, &container, OLD);
    change_password(&mut stage);
    write_common(&stage, &container, NEW);
    eventually(LONG, "replaced", || renewed(&pod).then_some(()));
    pod.answers("/readyz", 200);
    assert!(children(&pod).into_values().all(|pid| pid != before));
    let job = stage.job("common", "short");
    job.release();
    job.wait_for_end();
}

fn write_common(stage: &RolesStage, container: &Container, password: &str) {
    let keys =
        [("redis_cache", url(stage, 0, password).into()), ("redis_queue", url(stage, 1, password).into())];
    container.configure(stage, &keys);
}
