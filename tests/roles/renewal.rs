//! A Redis password that changes while the roles serve: processes with the old one are replaced, and no job is lost.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::place::{Container, LONG, Place, child, children, status};
use crate::scheduler;
use crate::support::binary::{Binary, Pod, event};
use crate::support::port;
use crate::support::redis::{Options, Redis};
use crate::support::wait::eventually;
use crate::worker::SOON;

const OLD: &str = "the-old-one";
const NEW: &str = "the-new-one";

fn place() -> Place {
    Place { redis: Redis::start_with(Options::default().password(OLD)), ..Place::new() }
}

/// The Redis URLs as mounted files.
struct Secret(tempfile::TempDir);

impl Secret {
    fn new(place: &Place) -> Self {
        let secret = Self(tempfile::tempdir().expect("a folder"));
        secret.write(place, OLD);
        secret
    }

    fn file(&self, database: u8) -> PathBuf {
        self.0.path().join(format!("url-{database}"))
    }

    fn write(&self, place: &Place, password: &str) {
        for database in [0, 1] {
            fs::write(self.file(database), url(place, database, password)).expect("a secret");
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

fn url(place: &Place, database: u8, password: &str) -> String {
    format!("redis://:{password}@127.0.0.1:{}/{database}", place.redis.port())
}

/// The server accepts only the new password from now on; existing connections stay open.
fn change_password(place: &mut Place) {
    place.redis.ask::<String>(0, &["CONFIG", "SET", "requirepass", NEW]);
    place.redis.knows_password(NEW);
    let old = redis::Client::open(url(place, 0, OLD)).expect("a URL").get_connection();
    assert!(old.is_err(), "the old password is still accepted: the test proves nothing");
}

#[track_caller]
fn ready(binary: Binary) -> Pod {
    let mut pod = binary.start();
    pod.answers("/readyz", 200);
    pod
}

fn renewed(pod: &Pod) -> bool {
    let status = status(pod);
    let children = status["children"].as_array().cloned().unwrap_or_default();
    !children.is_empty()
        && children.iter().all(|child| child["restart_reasons"]["secret"].as_i64() >= Some(1))
}

#[test]
fn every_role_follows_a_changed_secret() {
    let (_alone, mut place) = (scheduler::alone(), place());
    let secret = Secret::new(&place);
    let web = port::free();
    let pod = |role: &str| secret.given_to(place.command(role));
    let worker = ready(pod("worker").set("WORKER_QUEUES", "short"));
    let ticking = ready(pod("scheduler"));
    let socketio = ready(pod("socketio").set("SOCKETIO_PORT", port::free()));
    let front = pod("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{web}"));
    let front = ready(front.set("CAULDRON_BOOTSTRAP", "follow").set("GUNICORN_WORKERS", 1));
    // A job that runs at that time is finished by its process.
    let job = place.job("during", "short");
    job.wait_for_start();
    change_password(&mut place);
    secret.write(&place, NEW);
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
            let after = place.job("after", "short");
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
    assert_eq!(place.registries("during"), ["finished"]);
}

/// As in the chart: no REDIS_* variables; common_site_config.json has the URLs.
#[test]
fn changes_of_common_site_config_are_applied() {
    let mut place = place();
    let container = Container::new(&place);
    write_common(&place, &container, OLD);
    let binary = place
        .command("worker")
        .unset("REDIS_CACHE")
        .unset("REDIS_QUEUE")
        .set("CAULDRON_BENCH", container.path().display())
        .set("WORKER_QUEUES", "short");
    let mut pod = ready(binary);
    let before = child(&pod);
    // A rewrite without a change of the URLs has no effect.
    write_common(&place, &container, OLD);
    change_password(&mut place);
    write_common(&place, &container, NEW);
    eventually(LONG, "replaced", || renewed(&pod).then_some(()));
    pod.answers("/readyz", 200);
    assert!(children(&pod).into_values().all(|pid| pid != before));
    let job = place.job("common", "short");
    job.release();
    job.wait_for_end();
}

fn write_common(place: &Place, container: &Container, password: &str) {
    let keys =
        [("redis_cache", url(place, 0, password).into()), ("redis_queue", url(place, 1, password).into())];
    container.configure(place, &keys);
}
