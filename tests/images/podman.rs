//! podman's command line, with the test's own configuration (tests/images/containers.conf).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::http;

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("CONTAINERS_CONF", repository().join("tests/images/containers.conf"));
    command
}

pub fn output(arguments: &[&str]) -> Output {
    command("podman").args(arguments).output().expect("podman runs")
}

/// Its stdout; a failure is the test's.
#[track_caller]
pub fn podman(arguments: &[&str]) -> String {
    let output = output(arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "podman {arguments:?}: {told}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Both streams of a container, as they stand.
pub fn log(container: &str) -> String {
    let output = output(&["logs", container]);
    (String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)).into_owned()
}

/// Its exit code; `None` while it runs.
pub fn exit(container: &str) -> Option<i32> {
    let state =
        podman(&["inspect", "--type=container", "--format={{.State.Status}} {{.State.ExitCode}}", container]);
    let (status, code) = state.split_once(' ').expect("a state");
    (status == "exited").then(|| code.parse().expect("a code"))
}

/// Stops it as `podman stop` does, TERM and after `grace` KILL: exit code and time.
#[track_caller]
pub fn stop(container: &str, grace: Duration) -> (i32, Duration) {
    let begin = std::time::Instant::now();
    podman(&["stop", &format!("--time={}", grace.as_secs()), container]);
    (exit(container).expect("it is stopped"), begin.elapsed())
}

/// Where a container, or the pod of that infra container, listens.
#[track_caller]
pub fn address(container: &str, port: u16) -> SocketAddr {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let ip = podman(&["inspect", "--type=container", &format!("--format={format}"), container]);
    SocketAddr::from((ip.parse::<Ipv4Addr>().expect("an address"), port))
}

/// The status of a GET, 0 where nothing answers in time.
pub fn status(address: SocketAddr, host: &str, path: &str) -> u16 {
    http::get_at(address, host, path, Duration::from_secs(5)).map_or(0, |answer| answer.status)
}

/// Frappe itself writes more beside sites/ than the sample bench does: logs/database.log at its first connection, a lock in config/.
#[track_caller]
pub fn writes_what_a_bench_writes(container: &str, runtime_dir: &str) {
    for folder in ["/tmp", runtime_dir, "config", "logs", "sites"] {
        podman(&[
            "exec",
            "--workdir=/home/frappe/frappe-bench",
            container,
            "touch",
            &format!("{folder}/written"),
        ]);
    }
    let root = output(&["exec", container, "touch", "/home/frappe/frappe-bench/written"]);
    assert!(!root.status.success(), "{container} may write its root");
}
