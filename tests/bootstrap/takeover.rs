//! Leaders that hang: another pod takes over, and never do two work at once.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::stage::{self, held_at, served};
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;
use crate::support::proxy::Proxy;
use crate::support::wait::within;

/// The supervisor dies and its step lives on with its session, as in a pod on a node that lost its network.
#[test]
fn a_step_without_its_supervisor_is_ended_before_the_next_leader_works() {
    let stage = stage::empty();
    let barrier = Barrier::at("doctype:User");
    let mut pod = held_at(stage.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    pod.signal(Signal::SIGKILL);
    assert_eq!(within(LONG, || pod.exit()), Some(-9));
    stage.leader().run().exits(0).event("leader.old_session_ended").event("site.unfinished_cleared");
    // The step continues now, and finds its session closed.
    held.release();
    served(stage.leader()).ping_and_stop();
    assert_eq!(stage.state("phase").as_deref(), Some("complete"));
}

/// Stopped with its connection open: after 30 s without a heartbeat, the lock is taken from it.
#[test]
fn a_leader_that_hangs_is_ended() {
    let stage = stage::empty();
    let barrier = Barrier::at("doctype:User");
    let hung = held_at(stage.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    hung.signal(Signal::SIGSTOP);
    let taker = stage.leader().spawn();
    taker.event("leader.waiting");
    taker
        .end_within(Duration::from_secs(120))
        .exits(0)
        .event("leader.ended_dead")
        .event("site.unfinished_cleared");
    hung.signal(Signal::SIGCONT);
    hung.end_within(Duration::from_secs(20)).exits(75);
    held.release();
    served(stage.leader()).ping_and_stop();
    assert_eq!(stage.state("phase").as_deref(), Some("complete"));
}

/// The control: a leader with a heartbeat is waited for, however long its step takes.
#[test]
fn a_leader_with_a_heartbeat_is_not_ended() {
    let stage = stage::empty();
    let barrier = Barrier::at("doctype:User");
    let leader = held_at(stage.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    let mut follower = stage.leader().spawn();
    follower.event("leader.waiting");
    // Longer than the silence after which it would be ended.
    let began = std::time::Instant::now();
    crate::support::wait::eventually(LONG, "35 s of heartbeats", || {
        assert_eq!(follower.exit(), None, "{}", follower.log());
        (began.elapsed() > Duration::from_secs(35)).then_some(())
    });
    held.release();
    leader.end().exits(0);
    follower.end().exits(0).event("site.up_to_date");
}

/// A waiting pod whose own connection stalls does not wait forever.
#[test]
fn a_waiting_pod_whose_connection_stalls_ends() {
    let stage = stage::empty();
    let barrier = Barrier::at("doctype:User");
    let leader = held_at(stage.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    let proxy = Proxy::to(stage.postgres.port());
    let waiting = stage.leader().set("DB_PORT", proxy.port()).spawn();
    waiting.event("leader.waiting");
    proxy.stall();
    waiting.end_within(Duration::from_secs(60)).exits(75).says("has not answered");
    held.release();
    leader.end().exits(0);
}
