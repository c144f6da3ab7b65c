//! `--embedded`: a bench is the only requirement.

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::sys::signal::Signal;
use serde_json::Value;

use support::bench::{ADMIN_PASSWORD, Bench};
use support::binary::{Binary, LONG, Pod};
use support::stage::ready;
use support::tree::{Identity, alive, identity, with_descendants};
use support::wait::eventually;
use support::{http, port};

const SITE: &str = "laptop.local";

fn web(bench: &Bench, port: u16) -> Binary {
    Binary::on(bench, &["web", "--embedded"])
        .set("SITE_NAME", SITE)
        .set("ADMIN_PASSWORD", ADMIN_PASSWORD)
        .set("GUNICORN_WORKERS", 1)
        .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}"))
}

fn child_pid(pod: &Pod, name: &str) -> u64 {
    let status: Value = serde_json::from_str(&pod.body("/status")).expect("JSON");
    let children = status["children"].as_array().expect("children").clone();
    let child = children.into_iter().find(|child| child["name"] == name).expect("that child");
    child["pid"].as_u64().expect("a pid")
}

fn data_folder(bench: &Bench) -> std::path::PathBuf {
    bench.sites().join(".cauldron/embedded")
}

#[test]
fn a_site_is_created_once_and_survives_a_stop() {
    let (bench, port) = (Bench::sample(), port::free());
    let first = ready(web(&bench, port));
    assert_eq!(http::status(port, SITE, "/api/method/ping"), 200);
    let owner = fs::metadata(format!("/proc/{}", child_pid(&first, "postgres"))).expect("postgres").uid();
    if nix::unistd::getuid().is_root() {
        assert_ne!(owner, 0, "PostgreSQL refuses to run as root");
    }
    first.signal(Signal::SIGTERM);
    first.end_within(LONG).exits(0).says("new-site");
    assert!(!data_folder(&bench).join("postgres/postmaster.pid").exists(), "PostgreSQL was stopped cleanly");
    let second = ready(web(&bench, port));
    assert_eq!(http::status(port, SITE, "/api/method/ping"), 200);
    second.signal(Signal::SIGTERM);
    let ended = second.end_within(LONG).exits(0);
    assert!(!ended.stderr.contains("new-site"), "{ended}");
}

#[test]
fn leftover_servers_of_a_killed_supervisor_are_stopped_first() {
    let (bench, port) = (Bench::sample(), port::free());
    let mut first = ready(web(&bench, port));
    let left = child_pid(&first, "postgres");
    let send = |signal| nix::sys::signal::kill(nix::unistd::Pid::from_raw(left as i32), signal);
    // It cannot react to the death of its supervisor.
    send(Signal::SIGSTOP).expect("postgres");
    first.signal(Signal::SIGKILL);
    eventually(LONG, "the supervisor has ended", || first.exit());
    // A zombie that is never reaped has no working directory.
    let runs = || fs::read_link(format!("/proc/{left}/cwd")).is_ok();
    assert!(runs(), "no server was left: this test proves nothing");
    let mut second = web(&bench, port::free()).start();
    second.event("embedded.leftover_found");
    assert!(runs(), "the second start did not wait for the leftover server");
    send(Signal::SIGCONT).expect("postgres");
    second.answers("/readyz", 200);
    assert_ne!(child_pid(&second, "postgres"), left);
    assert!(!runs());
    second.signal(Signal::SIGTERM);
    second.end_within(LONG).exits(0);
}

/// The supervisor is not PID 1, whose death ends all processes: the kernel signals its children.
#[test]
fn a_killed_supervisor_leaves_no_server_running() {
    let (bench, port) = (Bench::sample(), port::free());
    let mut pod = ready(web(&bench, port));
    let all: Vec<Identity> = with_descendants(pod.pid()).into_iter().filter_map(identity).collect();
    assert!(all.len() > 8, "{all:?}");
    pod.signal(Signal::SIGKILL);
    eventually(LONG, "the supervisor has ended", || pod.exit());
    eventually(LONG, "all have ended", || alive(&all).is_empty().then_some(()));
    assert!(!data_folder(&bench).join("postgres/postmaster.pid").exists(), "PostgreSQL was stopped cleanly");
    let again = ready(web(&bench, port));
    again.signal(Signal::SIGTERM);
    again.end_within(LONG).exits(0);
}

#[test]
fn only_one_supervisor_uses_the_data_folder() {
    let (bench, port) = (Bench::sample(), port::free());
    let _first = ready(web(&bench, port));
    web(&bench, port::free()).run().exits(78).refuses("data-folder-in-use");
    assert_eq!(http::status(port, SITE, "/api/method/ping"), 200);
}

#[test]
fn configured_servers_exclude_embedded_ones() {
    let bench = Bench::sample();
    web(&bench, port::free()).set("DB_HOST", "pg.example.com").run().exits(78).says("DB_HOST");
    bench.configure(serde_json::json!({"db_host": "pg.example.com"}));
    web(&bench, port::free()).run().exits(78).says("common_site_config.json");
    assert!(!data_folder(&bench).exists(), "nothing was touched");
}

#[test]
fn a_full_disk_is_named_and_may_be_tried_again() {
    if !nix::unistd::geteuid().is_root() {
        return support::skip::skipped("a_full_disk_is_named", "needs root");
    }
    let bench = Bench::sample();
    let data = data_folder(&bench);
    fs::create_dir_all(&data).expect("a folder");
    let mount = format!("mount -t tmpfs -o size=12m none {} && exec \"$@\"", data.display());
    let full = web(&bench, port::free()).under(&["unshare", "-m", "sh", "-c", &mount, "sh"]).run();
    full.exits(75).says("No space left on device").says("free some space");
}
