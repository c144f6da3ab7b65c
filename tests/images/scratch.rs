//! The binary on scratch: no libc, no shell, no /etc/passwd, a uid that nobody has heard of, a root that cannot be written.

use std::time::Duration;

use crate::made::{BINARY, images};
use crate::podman::{exit, log, output, podman, stop};
use crate::servers::Servers;
use crate::support::wait::eventually;

const HARD: [&str; 7] = [
    "--read-only",
    "--read-only-tmpfs=false",
    "--user=123456",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--memory=64m",
    "--pids-limit=64",
];

fn run(more: &[&str]) -> (i32, String) {
    let mut words = vec!["run", "--rm"];
    words.extend(HARD);
    words.extend(more);
    let output = output(&words);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("a code"), said.into_owned())
}

#[test]
fn it_runs_on_nothing_as_anybody() {
    if !images("it_runs_on_nothing_as_anybody") {
        return;
    }
    let (code, said) = run(&[BINARY, "--version"]);
    assert_eq!((code, said.trim()), (0, concat!("cauldron-frappe ", env!("CARGO_PKG_VERSION"))));
    // As an init: the only program there is, under itself, twice.
    let (code, said) =
        run(&[BINARY, "run", "--", "/cauldron-frappe", "run", "--", "/cauldron-frappe", "--nonsense"]);
    assert_eq!(code, 64, "the child's own code is passed on: {said}");
    let (code, said) = run(&[BINARY, "run", "--", "/bin/true"]);
    assert_eq!(code, 127, "{said}");
}

#[test]
fn it_waits_for_servers_over_a_bridge() {
    if !images("it_waits_for_servers_over_a_bridge") {
        return;
    }
    let servers = Servers::start("scratch");
    let network = format!("--network={}", servers.network);
    let dns = format!("--dns={}", servers.dns);
    let common =
        [&*network, &dns, "--env=DB_HOST=postgres", "--env=REDIS_CACHE=redis-cache", BINARY, "wait-deps"];
    let (code, said) = run(&common);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("postgres"), "{said}");
    let absent =
        [&*network, &dns, "--env=DB_HOST=nobody", "--env=REDIS_CACHE=redis-cache", BINARY, "wait-deps"];
    let (code, said) = run(&[&absent[..], &["--wait-timeout=2s"]].concat());
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("does not resolve"), "{said}");
}

/// PID 1 has no default actions: a TERM that nobody handles is lost, and the runtime kills after its grace.
#[test]
fn as_pid_1_it_hears_a_term() {
    const NAME: &str = "cauldron-test-term";
    if !images("as_pid_1_it_hears_a_term") {
        return;
    }
    output(&["rm", "--force", "--time=0", NAME]);
    let mut words = vec!["run", "--detach", "--name", NAME, "--env=DB_HOST=nobody"];
    words.extend(HARD);
    words.extend([BINARY, "wait-deps", "--wait-timeout=0"]);
    podman(&words);
    eventually(Duration::from_secs(20), "a wait", || log(NAME).contains("not ready yet").then_some(()));
    assert_eq!(exit(NAME), None);
    let (code, _) = stop(NAME, Duration::from_secs(20));
    podman(&["rm", NAME]);
    // A kill after the grace would be 128 + 9.
    assert_eq!(code, 128 + 15, "an interrupted wait must not count as done");
}
