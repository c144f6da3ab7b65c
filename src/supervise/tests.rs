//! Properties of the supervision that `run` cannot show. Each test runs in its own process: a reaper collects
//! every child of its process, including those of other tests.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use tokio::sync::watch;

use super::hooks::{HookFuture, Hooks};
use super::output::OutputLine;
use super::process::Processes;
use super::run_service::{End, ServicePlan, ServiceStatus, run_service};
use super::service::{Policy, State};
use super::signals::Shutdown;
use super::spawn::{Identity, Output, Spec, Stdin};
use crate::sys::exit::Exit;

const ALONE: &str = "CAULDRON_TEST_ALONE";
const GRACE: Duration = Duration::from_secs(60);

/// Runs the body if this process was started for it, else starts such a process.
fn alone(name: &str, body: impl AsyncFnOnce(Processes)) {
    if std::env::var(ALONE).is_ok_and(|alone| alone == name) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async { body(Processes::start().unwrap()).await });
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&format!("supervise::tests::{name}"), "--exact", "--nocapture"])
        .env(ALONE, name)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    text.lines().filter(|line| line.starts_with("SKIPPED")).for_each(|line| eprintln!("{line}"));
}

fn shell(script: &str) -> Spec {
    let mut spec = Spec::new("test", "/bin/sh");
    spec.args = vec!["-c".into(), script.into()];
    spec.env.insert("PATH".into(), std::env::var_os("PATH").unwrap());
    spec
}

/// The spec, with its output collected in the list.
fn with_output_lines(mut spec: Spec) -> (Spec, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = lines.clone();
    spec.output = Output::Lines(Arc::new(move |line: OutputLine<'_>| {
        seen.lock().unwrap().push(String::from_utf8_lossy(line.text).into_owned());
    }));
    (spec, lines)
}

async fn lines_of(processes: &Processes, spec: Spec) -> (Exit, Vec<String>) {
    let (spec, lines) = with_output_lines(spec);
    let child = processes.spawn(&spec).unwrap();
    let exit = child.exited().await;
    assert!(child.drained(GRACE).await);
    let lines = lines.lock().unwrap().clone();
    (exit, lines)
}

#[test]
fn h02_500_children_at_once_and_2000_that_cannot_start() {
    alone("h02_500_children_at_once_and_2000_that_cannot_start", async |processes| {
        let children: Vec<_> = (0..500)
            .map(|n| (n % 256, processes.spawn(&shell(&format!("exit {}", n % 256))).unwrap()))
            .collect();
        for _ in 0..2000 {
            assert_eq!(processes.spawn(&Spec::new("x", "/no/such/program")).err().unwrap().code(), 127);
        }
        for (code, child) in &children {
            assert_eq!(child.exited().await, Exit::Exited(*code));
        }
        assert_eq!(processes.orphans_reaped(), 0);
    });
}

#[test]
fn h12_a_reaped_child_is_not_signalled() {
    alone("h12_a_reaped_child_is_not_signalled", async |processes| {
        let child = processes.spawn(&shell("exit 0")).unwrap();
        assert!(child.exited().await.success());
        assert!(!child.signal(Signal::SIGKILL) && !child.signal_group(Signal::SIGKILL));
        assert!(!child.group_exists());
    });
}

#[test]
fn h15_groups_gid_and_uid_are_dropped_permanently() {
    alone("h15_groups_gid_and_uid_are_dropped_permanently", async |processes| {
        let mut spec = shell("grep -E '^(Uid|Gid|Groups):' /proc/self/status");
        spec.identity = Some(Identity { uid: 65534, gid: 65533, groups: vec![65532] });
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED h15: only root may change its user");
            let error = processes.spawn(&spec).err().unwrap();
            assert_eq!(error.code(), 126, "{error}");
            return;
        }
        let (exit, lines) = lines_of(&processes, spec).await;
        assert!(exit.success());
        let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split_whitespace().collect()).collect();
        let four = |id| [id; 4];
        assert_eq!(words[0][1..], four("65534"));
        assert_eq!(words[1][1..], four("65533"));
        assert_eq!(words[2][1..], ["65532"]);
    });
}

#[test]
fn bytes_for_stdin_arrive_completely() {
    alone("bytes_for_stdin_arrive_completely", async |processes| {
        let mut spec = shell("wc -c");
        spec.stdin = Stdin::Bytes(vec![b'x'; 3_000_000].into());
        assert_eq!(lines_of(&processes, spec).await.1, ["3000000"]);
        // A child that ends without reading is no error.
        let mut spec = shell("exec <&-; exit 3");
        spec.stdin = Stdin::Bytes(vec![b'x'; 3_000_000].into());
        assert_eq!(lines_of(&processes, spec).await.0, Exit::Exited(3));
    });
}

#[test]
fn h07_the_exit_does_not_wait_for_the_end_of_output() {
    alone("h07_the_exit_does_not_wait_for_the_end_of_output", async |processes| {
        let (spec, lines) = with_output_lines(shell("setsid sleep 1000 & echo written; exit 4"));
        let child = processes.spawn(&spec).unwrap();
        let begin = Instant::now();
        assert_eq!(child.exited().await, Exit::Exited(4));
        assert!(!child.drained(Duration::from_millis(50)).await, "no process keeps the pipe open");
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert_eq!(*lines.lock().unwrap(), ["written"]);
        assert!(processes.sweep(GRACE, std::future::pending()).await);
        assert!(child.drained(GRACE).await);
    });
}

fn plan(spec: Spec, drain: Duration) -> (ServicePlan, watch::Receiver<ServiceStatus>) {
    let plan = ServicePlan::new(spec, Policy { drain, ..Policy::restarting(GRACE) });
    let status = plan.observer.subscribe();
    (plan, status)
}

#[test]
fn a_stop_drains_first_and_a_later_request_cuts_the_drain_short() {
    alone("a_stop_drains_first_and_a_later_request_cuts_the_drain_short", async |processes| {
        let shutdown = Shutdown::install().unwrap();
        let (plan, mut status) = plan(shell("exec sleep 1000"), GRACE);
        let begin = Instant::now();
        let observing = async {
            status.wait_for(|status| status.state == State::Running).await.unwrap();
            raise(Signal::SIGINT).unwrap();
            let draining = status.wait_for(|status| status.state == State::Draining).await.unwrap().clone();
            assert!(draining.pid.is_some(), "it keeps running while draining");
            while status.borrow().state == State::Draining {
                raise(Signal::SIGTERM).unwrap();
                let _ = tokio::time::timeout(Duration::from_millis(30), status.changed()).await;
            }
        };
        let (end, ()) = tokio::join!(run_service(&processes, plan, &shutdown), observing);
        // A forced stop means KILL, unless TERM has ended the child by then.
        assert!(matches!(end, End::StopRequested(Signal::SIGINT, Some(Exit::Signaled(9 | 15)))), "{end:?}");
        assert!(begin.elapsed() < GRACE / 2);
        assert_eq!(status.borrow().state, State::Stopped);
    });
}

/// Writes into the fifo, then waits until the service has ended.
struct Nudge(PathBuf);

impl Hooks for Nudge {
    fn after_signal(&self) -> HookFuture {
        let fifo = self.0.clone();
        Box::pin(async move {
            std::fs::write(fifo, "go\n").unwrap();
            std::future::pending().await
        })
    }
}

#[test]
fn the_hook_runs_after_the_signal_and_ends_with_the_service() {
    alone("the_hook_runs_after_the_signal_and_ends_with_the_service", async |processes| {
        let shutdown = Shutdown::install().unwrap();
        // As with gunicorn's threads, TERM alone does not end it, but a nudge afterwards does.
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("nudge");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let script = "trap : TERM; exec 3<>\"$0\"; echo ready; until read -r go <&3; do :; done; exit 6";
        let mut spec = shell(script);
        spec.args.push(fifo.clone().into());
        let (ready_tx, mut ready) = watch::channel(false);
        spec.output = Output::Lines(Arc::new(move |_| {
            ready_tx.send_replace(true);
        }));
        let (mut plan, _status) = plan(spec, Duration::ZERO);
        plan.hooks = Arc::new(Nudge(fifo));
        let asking = async {
            ready.wait_for(|ready| *ready).await.unwrap();
            raise(Signal::SIGTERM).unwrap();
        };
        let (end, ()) = tokio::join!(run_service(&processes, plan, &shutdown), asking);
        assert_eq!(end, End::StopRequested(Signal::SIGTERM, Some(Exit::Exited(6))));
    });
}

#[test]
fn h16_nothing_is_started_after_a_stop_request() {
    alone("h16_nothing_is_started_after_a_stop_request", async |processes| {
        let shutdown = Shutdown::install().unwrap();
        raise(Signal::SIGTERM).unwrap();
        shutdown.stop_requested().await;
        let (plan, status) = plan(Spec::new("test", "/no/such/program"), Duration::ZERO);
        let end = run_service(&processes, plan, &shutdown).await;
        assert_eq!(end, End::StopRequested(Signal::SIGTERM, None));
        assert_eq!(status.borrow().state, State::Stopped);
    });
}
