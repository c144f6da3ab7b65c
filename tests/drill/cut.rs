//! The leader loses its network, or its CPU, during a step: another pod takes over, never do two work at once, and all
//! converge.

use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::converge::sessions_of_others;
use crate::drill_stage::DrillStage;
use crate::scale::scale;
use crate::stage::held_at;
use crate::strike::lives;
use crate::support::barrier::{Barrier, Held};
use crate::support::binary::{Binary, LONG, Pod};
use crate::support::proxy::Proxy;
use crate::support::trace::Trace;
use crate::support::tree::with_descendants;
use crate::support::wait::{eventually, within};

/// During the creation, and before the step's first session: such a step would log in only afterwards.
const MOMENTS: [&str; 2] = ["doctype:User", "site_config"];
/// The time limit for a takeover: 30 s of silence, and a creation.
const TAKEN_OVER: Duration = Duration::from_secs(120);

struct CutStage {
    stage: DrillStage,
    trace: Trace,
    proxy: Proxy,
}

impl CutStage {
    fn set() -> Self {
        let stage = DrillStage::new();
        let proxy = Proxy::to(stage.postgres.port());
        Self { stage, trace: Trace::new(), proxy }
    }

    fn behind_the_proxy(&self) -> Binary {
        self.stage.pod(&self.trace).set("DB_PORT", self.proxy.port())
    }

    /// Starts a leader that waits at `moment` with its step.
    fn leader(&self, binary: Binary, moment: &str) -> (Pod, Held) {
        let barrier = Barrier::at(moment);
        let pod = held_at(binary, &barrier).spawn();
        let held = barrier.wait(LONG);
        (pod, held)
    }

    /// Starts two more pods, one of which reaches its own step. Then the old leader continues, and must find that it
    /// may not.
    fn taken_over(&self, old: Pod, old_step: Held, wake: impl FnOnce(&Pod)) -> Result<(), String> {
        let barrier = Barrier::at("core_tables");
        let mut pods: Vec<Pod> =
            (0..2).map(|_| held_at(self.stage.pod(&self.trace), &barrier).spawn()).collect();
        let logs = |pods: &[Pod], old: &Pod| {
            let all: Vec<String> = pods.iter().chain([old]).map(Pod::log).collect();
            all.join("\n---\n")
        };
        let Some(held) = barrier.wait_or_none(TAKEN_OVER) else {
            return Err(format!("no pod took over\n{}", logs(&pods, &old)));
        };
        sessions_of_others(&self.stage, held.pid).map_err(|miss| format!("{miss}\n{}", logs(&pods, &old)))?;
        if let Some(second) = barrier.wait_or_none(Duration::ZERO) {
            return Err(format!("two create: {} and {}", held.pid, second.pid));
        }
        wake(&old);
        old_step.release();
        let mut old = old;
        let exit = within(TAKEN_OVER, || old.exit());
        if exit != Some(75) {
            return Err(format!("the old leader: exit {exit:?}\n{}", logs(&pods, &old)));
        }
        held.release();
        for at in 0..pods.len() {
            let exit = within(LONG, || pods[at].exit());
            if exit != Some(0) {
                return Err(format!("a pod: exit {exit:?}\n{}", logs(&pods, &old)));
            }
        }
        self.converged()
    }

    /// Restarts the old leader, with its network restored.
    fn converged(&self) -> Result<(), String> {
        self.proxy.pass();
        let ended = self.behind_the_proxy().run();
        if ended.exit != 0 {
            return Err(format!("the old leader's next start: {ended}"));
        }
        if !self.trace.overlaps().is_empty() {
            return Err(format!("two at work: {:?}", self.trace.overlaps()));
        }
        self.stage.check()
    }
}

#[track_caller]
fn each(case: impl Fn(&CutStage, &str) -> Result<(), String>) {
    let mut cut = CutStage::set();
    for moment in MOMENTS.into_iter().take(if scale().everything { 2 } else { 1 }) {
        if let Err(miss) = case(&cut, moment) {
            panic!("at {moment}: {miss}");
        }
        cut.stage.reset();
        cut.trace = Trace::new();
        cut.proxy = Proxy::to(cut.stage.postgres.port());
    }
}

/// The cases run in parallel: most of their time is the 30 s of silence.
#[test]
fn a_leader_that_is_cut_off_stopped_or_frozen() {
    thread::scope(|scope| {
        for case in [
            a_connection_that_stalls,
            a_connection_that_is_reset,
            a_supervisor_that_is_stopped,
            a_supervisor_that_is_paused_for_less_than_a_takeover,
            a_pod_that_is_frozen,
            a_pod_that_thaws_when_the_site_is_finished,
        ] {
            scope.spawn(case);
        }
    });
}

fn a_connection_that_stalls() {
    each(|cut, moment| {
        let (pod, held) = cut.leader(cut.behind_the_proxy(), moment);
        cut.proxy.stall();
        cut.taken_over(pod, held, |_| ())
    });
}

fn a_connection_that_is_reset() {
    each(|cut, moment| {
        let (pod, held) = cut.leader(cut.behind_the_proxy(), moment);
        cut.proxy.reset();
        cut.taken_over(pod, held, |_| ())
    });
}

/// The step continues while its supervisor is stopped.
fn a_supervisor_that_is_stopped() {
    each(|cut, moment| {
        let (pod, held) = cut.leader(cut.stage.pod(&cut.trace), moment);
        pod.signal(Signal::SIGSTOP);
        cut.taken_over(pod, held, |pod| pod.signal(Signal::SIGCONT))
    });
}

/// Longer than a leader may be silent, and shorter than others wait: the lock is still its own, and it goes on.
fn a_supervisor_that_is_paused_for_less_than_a_takeover() {
    each(|cut, moment| {
        let (mut pod, held) = cut.leader(cut.stage.pod(&cut.trace), moment);
        pod.signal(Signal::SIGSTOP);
        let session = cut.stage.session();
        let is_silent = "(SELECT clock_timestamp() - beat > interval '11 s' FROM public.__cauldron_state)";
        eventually(LONG, "11 s without a heartbeat", || session.is(is_silent).then_some(()));
        pod.signal(Signal::SIGCONT);
        held.release();
        match within(LONG, || pod.exit()) {
            Some(0) => cut.converged(),
            exit => Err(format!("exit {exit:?}\n{}", pod.log())),
        }
    })
}

/// As with a paused virtual machine: all processes of the pod stop, and all continue at once.
fn a_pod_that_is_frozen() {
    each(|cut, moment| {
        let (pod, held) = cut.leader(cut.stage.pod(&cut.trace), moment);
        signal_all(&pod, Signal::SIGSTOP);
        cut.taken_over(pod, held, |pod| signal_all(pod, Signal::SIGCONT))
    });
}

/// The pod is frozen before its first session and until the site is finished and served: its step would start with
/// `DROP TABLE` on it.
fn a_pod_that_thaws_when_the_site_is_finished() {
    let cut = CutStage::set();
    let (mut pod, held) = cut.leader(cut.stage.pod(&cut.trace), "site_config");
    signal_all(&pod, Signal::SIGSTOP);
    cut.stage.pod(&cut.trace).spawn().end_within(TAKEN_OVER).exits(0);
    cut.stage.session().run("INSERT INTO \"tabToDo\" (name) VALUES ('somebody''s')");
    // The step's supervisor is still stopped, and could not end it.
    kill(Pid::from_raw(held.pid as i32), Signal::SIGCONT).expect("a step");
    let step = held.pid;
    held.release();
    eventually(LONG, "the old step ends", || (!lives(step)).then_some(()));
    signal_all(&pod, Signal::SIGCONT);
    assert_eq!(within(LONG, || pod.exit()), Some(75), "{}", pod.log());
    assert!(cut.stage.session().is("EXISTS (SELECT FROM \"tabToDo\" WHERE name = 'somebody''s')"));
    cut.stage.session().run("DELETE FROM \"tabToDo\"");
    cut.converged().unwrap_or_else(|miss| panic!("{miss}\n{}", pod.log()));
}

fn signal_all(pod: &Pod, signal: Signal) {
    for pid in with_descendants(pod.pid()) {
        // Some processes end between the listing and the signal.
        let _ = kill(Pid::from_raw(pid as i32), signal);
    }
}
