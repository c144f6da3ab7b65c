//! Pods without the administrator's password: they wait for the pod that has it, and serve with the site's own login.

use nix::sys::signal::Signal;

use crate::place::{Place, Served, held_at, kill_9};
use crate::support::barrier::Barrier;
use crate::support::binary::Binary;
use crate::support::binary::LONG;
use crate::support::{port, snapshot};

fn follower(place: &Place) -> Binary {
    place.command("web").set("CAULDRON_BOOTSTRAP", "follow")
}

#[test]
fn a_follower_waits_for_the_leader_and_then_serves() {
    let place = Place::new();
    let port = port::free();
    let mut pod = follower(&place)
        .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}"))
        .set("GUNICORN_WORKERS", "1")
        .start();
    pod.says("has no site_config.json yet");
    let barrier = Barrier::at("scheduler_set");
    let leader = held_at(place.leader(), &barrier).spawn();
    // Every table and Administrator exist; the leader has not recorded the end.
    let held = barrier.wait(LONG);
    pod.says("the site is not finished");
    assert_eq!(pod.probe("/readyz"), 503);
    pod.answers("/startupz", 200);
    let before = snapshot::files(&place.bench);
    held.release();
    leader.end().exits(0);
    pod.answers("/readyz", 200);
    let key = |text: &str| text.matches("encryption_key").count();
    assert_eq!((key(&before), key(&snapshot::files(&place.bench))), (0, 1));
    Served { pod, port }.stop();
}

/// A follower only reads.
#[test]
fn a_follower_writes_nothing() {
    let place = Place::new();
    place.created();
    let (files, cluster) = (snapshot::files(&place.bench), snapshot::cluster(&place.postgres));
    Served::start(follower(&place).set("SOCKETIO_PORT", "9999")).stop();
    let without_logs =
        |text: &str| text.lines().filter(|line| !line.contains("/logs/")).collect::<Vec<_>>().join("\n");
    snapshot::same(&without_logs(&files), &without_logs(&snapshot::files(&place.bench)));
    let without_state = |text: &str| text.lines().filter(|line| !line.contains("beat")).count();
    assert_eq!(without_state(&cluster), without_state(&snapshot::cluster(&place.postgres)));
}

#[test]
fn a_follower_does_not_serve_a_half_built_site() {
    let place = Place::new();
    let barrier = Barrier::at("after_install:frappe");
    let leader = held_at(place.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    kill_9(held.pid);
    drop(held);
    leader.end().exits(75);
    let mut pod = follower(&place).set("CAULDRON_WEB_ADDR", "127.0.0.1:0").start();
    pod.says("the site is not finished");
    pod.answers("/livez", 200);
    assert_eq!(pod.probe("/readyz"), 503);
    pod.signal(Signal::SIGTERM);
    pod.end().exits(0);
}

#[test]
fn off_takes_the_site_as_it_is_without_waiting() {
    let place = Place::new();
    let off = || place.command("web").set("CAULDRON_BOOTSTRAP", "off");
    let before = place.snapshot();
    off().set("CAULDRON_WEB_ADDR", "127.0.0.1:0").run().exits(69).says("no site_config.json");
    place.is_as_it_was(&before);
    place.created();
    Served::start(off()).stop();
}

/// A follower does not need the administrator's password; it waits for a new password of the site.
#[test]
fn a_follower_waits_for_a_rotated_password() {
    let place = Place::new();
    place.created();
    place.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'second'");
    let port = port::free();
    let mut pod = follower(&place)
        .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}"))
        .set("GUNICORN_WORKERS", "1")
        .start();
    pod.says("password");
    assert_eq!(pod.probe("/readyz"), 503);
    place.leader().set("SITE_DB_PASSWORD", "second").run().exits(0);
    pod.answers("/readyz", 200);
    Served { pod, port }.stop();
    // A pod that takes the site as it is does not wait for a new password.
    place.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'third'");
    let off = place.command("web").set("CAULDRON_BOOTSTRAP", "off").set("CAULDRON_WEB_ADDR", "127.0.0.1:0");
    off.run().exits(77);
}

/// A waiting pod shows the leader and its activity.
#[test]
fn a_follower_shows_the_holder_and_its_progress() {
    let place = Place::new();
    let barrier = Barrier::at("doctypes:frappe");
    let leader = held_at(place.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    let pod = follower(&place).set("CAULDRON_WEB_ADDR", "127.0.0.1:0").start();
    let pid = leader.pid();
    crate::support::wait::eventually(LONG, "holder and step are shown", || {
        let status = pod.body("/status");
        (status.contains(&format!("pid {pid}")) && status.contains("leads: new-site")).then_some(())
    });
    held.release();
    leader.end().exits(0);
    drop(pod);
}
