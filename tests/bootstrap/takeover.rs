//! Leaders that hang: another one takes over, and never are two at work.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::place::{Place, Served, held_at};
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;
use crate::support::proxy::Proxy;
use crate::support::wait::within;

/// Its supervisor is gone, and a step of it lives on with its session: a pod on a node that was cut off.
#[test]
fn a_step_without_its_supervisor_is_ended_before_anybody_works() {
    let place = Place::new();
    let barrier = Barrier::at("doctype:User");
    let mut pod = held_at(place.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    pod.signal(Signal::SIGKILL);
    assert_eq!(within(LONG, || pod.exit()), Some(-9));
    place.leader().run().exits(0).says("ended a session of an older attempt").says("cleared what");
    // It goes on now, and finds its session closed.
    held.release();
    Served::start(place.leader()).stop();
    assert_eq!(place.state("phase").as_deref(), Some("complete"));
}

/// Stopped with its connection open: thirty seconds without a beat, and the lock is taken from it.
#[test]
fn a_leader_that_hangs_is_ended() {
    let place = Place::new();
    let barrier = Barrier::at("doctype:User");
    let hung = held_at(place.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    hung.signal(Signal::SIGSTOP);
    let taker = place.leader().spawn();
    taker.says("waiting for the pod that leads");
    taker.end_within(Duration::from_secs(120)).exits(0).says("gives no sign of life").says("cleared what");
    hung.signal(Signal::SIGCONT);
    hung.end_within(Duration::from_secs(20)).exits(75);
    held.release();
    Served::start(place.leader()).stop();
    assert_eq!(place.state("phase").as_deref(), Some("complete"));
}

/// The control: one that beats is waited for, however long its step takes.
#[test]
fn a_leader_that_beats_is_left_alone() {
    let place = Place::new();
    let barrier = Barrier::at("doctype:User");
    let leader = held_at(place.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    let mut follower = place.leader().spawn();
    follower.says("waiting for the pod that leads");
    // Longer than the silence that would have ended it.
    let began = std::time::Instant::now();
    crate::support::wait::eventually(LONG, "35 s of beats", || {
        assert_eq!(follower.exit(), None, "{}", follower.log());
        (began.elapsed() > Duration::from_secs(35)).then_some(())
    });
    held.release();
    leader.end().exits(0);
    follower.end().exits(0).says("nothing to do");
}

/// A pod that waits, and whose own connection stalls, does not wait for ever.
#[test]
fn who_waits_on_a_connection_that_stalls_ends() {
    let place = Place::new();
    let barrier = Barrier::at("doctype:User");
    let leader = held_at(place.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    let proxy = Proxy::to(place.postgres.port());
    let waiting = place.leader().set("DB_PORT", proxy.port()).spawn();
    waiting.says("waiting for the pod that leads");
    proxy.stall();
    waiting.end_within(Duration::from_secs(60)).exits(75).says("has not answered");
    held.release();
    leader.end().exits(0);
}
