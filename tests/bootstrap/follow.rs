//! Pods without the administrator's password: they wait for the pod that has it, and serve with the site's own login.

use nix::sys::signal::Signal;

use crate::stage::{self, held_at, kill_9, of_web, served};
use crate::support::barrier::Barrier;
use crate::support::binary::Binary;
use crate::support::binary::LONG;
use crate::support::snapshot;
use crate::support::stage::Stage;
use crate::support::web::Web;

fn follower(stage: &Stage) -> Binary {
    stage.command("web").set("CAULDRON_BOOTSTRAP", "follow")
}

#[test]
fn a_follower_waits_for_the_leader_and_then_serves() {
    let stage = stage::empty();
    let mut web = Web::start(of_web(follower(&stage)));
    web.pod.says("has no site_config.json yet");
    let barrier = Barrier::at("scheduler_set");
    let leader = held_at(stage.leader(), &barrier).spawn();
    // Every table and Administrator exist; the leader has not recorded the end.
    let held = barrier.wait(LONG);
    web.pod.says("the site is not finished");
    assert_eq!(web.pod.probe("/readyz"), 503);
    web.pod.answers("/startupz", 200);
    let before = snapshot::files(&stage.bench);
    held.release();
    leader.end().exits(0);
    web.pod.answers("/readyz", 200);
    let key = |text: &str| text.matches("encryption_key").count();
    assert_eq!((key(&before), key(&snapshot::files(&stage.bench))), (0, 1));
    web.ping_and_stop();
}

/// A follower only reads.
#[test]
fn a_follower_writes_nothing() {
    let stage = stage::empty();
    stage.created();
    let (files, cluster) = stage.snapshot();
    served(follower(&stage).set("SOCKETIO_PORT", "9999")).ping_and_stop();
    let without_logs =
        |text: &str| text.lines().filter(|line| !line.contains("/logs/")).collect::<Vec<_>>().join("\n");
    snapshot::same(&without_logs(&files), &without_logs(&snapshot::files(&stage.bench)));
    let without_state = |text: &str| text.lines().filter(|line| !line.contains("beat")).count();
    assert_eq!(without_state(&cluster), without_state(&snapshot::cluster(&stage.postgres)));
}

#[test]
fn a_follower_does_not_serve_a_half_built_site() {
    let stage = stage::empty();
    let barrier = Barrier::at("after_install:frappe");
    let leader = held_at(stage.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    kill_9(held.pid);
    drop(held);
    leader.end().exits(75);
    let mut pod = follower(&stage).set("CAULDRON_WEB_ADDR", "127.0.0.1:0").start();
    pod.says("the site is not finished");
    pod.answers("/livez", 200);
    assert_eq!(pod.probe("/readyz"), 503);
    pod.signal(Signal::SIGTERM);
    pod.end().exits(0);
}

#[test]
fn off_takes_the_site_as_it_is_without_waiting() {
    let stage = stage::empty();
    let off = || stage.command("web").set("CAULDRON_BOOTSTRAP", "off");
    let before = stage.snapshot();
    off().set("CAULDRON_WEB_ADDR", "127.0.0.1:0").run().exits(69).says("no site_config.json");
    stage.is_unchanged_since(&before);
    stage.created();
    served(off()).ping_and_stop();
}

/// A follower does not need the administrator's password; it waits for a new password of the site.
#[test]
fn a_follower_waits_for_a_rotated_password() {
    let stage = stage::empty();
    stage.created();
    stage.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'second'");
    let mut web = Web::start(of_web(follower(&stage)));
    web.pod.says("password");
    assert_eq!(web.pod.probe("/readyz"), 503);
    stage.leader().set("SITE_DB_PASSWORD", "second").run().exits(0);
    web.pod.answers("/readyz", 200);
    web.ping_and_stop();
    // A pod that takes the site as it is does not wait for a new password.
    stage.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'third'");
    let off = stage.command("web").set("CAULDRON_BOOTSTRAP", "off").set("CAULDRON_WEB_ADDR", "127.0.0.1:0");
    off.run().exits(77);
}

/// A waiting pod shows the leader and its activity.
#[test]
fn a_follower_shows_the_holder_and_its_progress() {
    let stage = stage::empty();
    let barrier = Barrier::at("doctypes:frappe");
    let leader = held_at(stage.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    let pod = follower(&stage).set("CAULDRON_WEB_ADDR", "127.0.0.1:0").start();
    let pid = leader.pid();
    crate::support::wait::eventually(LONG, "holder and step are shown", || {
        let status = pod.body("/status");
        (status.contains(&format!("pid {pid}")) && status.contains("leads: new-site")).then_some(())
    });
    held.release();
    leader.end().exits(0);
    drop(pod);
}
