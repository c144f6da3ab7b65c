//! All roles in one process tree: one log, one health port, one stop.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::generations::on_each_generation;
use crate::processes::{children, kill, lives, status};
use crate::stage::{DATABASE, LONG, RolesStage, SITE};
use crate::support::bench::{ADMIN_PASSWORD, Bench};
use crate::support::binary::{Binary, Pod};
use crate::support::load::Load;
use crate::support::page::Desk;
use crate::support::postgres::Postgres;
use crate::support::redis::Redis;
use crate::support::stage::{Stage, ready};
use crate::support::wait::eventually;
use crate::support::{http, port};

const SOON: Duration = Duration::from_secs(20);

/// A separate site, created by `all` itself.
pub struct AllStage {
    stage: Stage,
    pub socketio: u16,
}

impl Deref for AllStage {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for AllStage {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

impl AllStage {
    pub fn new() -> Self {
        Self::on(Bench::sample())
    }

    pub fn on(bench: Bench) -> Self {
        let stage = Stage::with(SITE, DATABASE, Postgres::start(), Redis::start(), bench);
        Self { stage: stage.set("GUNICORN_WORKERS", 1), socketio: port::free() }
    }

    pub fn all(&self) -> Binary {
        self.web().with_command("all").set("SOCKETIO_PORT", self.socketio)
    }

    /// Pages at this origin, straight at the web port.
    pub fn desk(&self, origin: &str) -> Desk {
        Desk {
            modules: self.bench.path().join("apps/frappe/node_modules"),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            origin: origin.to_owned(),
            site: SITE.to_owned(),
            password: ADMIN_PASSWORD.to_owned(),
        }
    }
}

fn role(pod: &Pod, name: &str) -> bool {
    status(pod)["roles"][name]["ready"] == true
}

on_each_generation![four_roles_in_one_tree_with_one_log_and_a_check_each];

fn four_roles_in_one_tree_with_one_log_and_a_check_each(stage: RolesStage) {
    let stage = AllStage::on(Bench::sample_of(stage.generation));
    let pod = ready(stage.all());
    let checks = pod.body("/readyz?verbose");
    for name in ["web", "worker", "scheduler", "socketio"] {
        assert!(checks.contains(&format!("[+] {name}: ok")), "{checks}");
    }
    assert_eq!(http::status(stage.port, SITE, "/api/method/ping"), 200);
    let children = children(&pod);
    let names: Vec<&str> = children.keys().map(String::as_str).collect();
    assert_eq!(names, ["gunicorn", "scheduler", "socketio", "worker long 1", "worker short,default 1"]);
    // Each line names its child.
    pod.says("gunicorn | ");
    pod.says("worker short,default 1 | ");
    pod.says("socketio | ");
    let metrics = pod.body("/metrics");
    for series in [
        "role_ready{role=\"worker\"} 1",
        "queue_jobs_waiting{queue=\"short\"} 0",
        "workers{state=\"idle\"} 2",
    ] {
        assert!(metrics.contains(&format!("cauldron_frappe_{series}")), "no {series} in {metrics}");
    }
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    for (name, pid) in children {
        assert!(!lives(pid), "{name} still runs");
    }
}

/// Reloads and a crash under load, with a browser that receives events: no request and no event is lost.
#[test]
fn nothing_is_lost_over_twenty_reloads_and_a_crash() {
    let stage = AllStage::new();
    let pod = ready(stage.all().set("GUNICORN_WORKERS", 2));
    // Through the web port, by a name that only clients can resolve; the node behind it belongs to this pod.
    let page = stage.desk("http://desk.test").page();
    page.says("connected");
    let load = Load::start(stage.port, SITE, 4);
    let worker = || http::get(stage.port, SITE, "/api/method/frappe.sample.pid").map(|answer| answer.body);
    for _ in 0..20 {
        load.more(10);
        let old: String = worker().expect("a worker").chars().filter(char::is_ascii_digit).collect();
        pod.signal(Signal::SIGHUP);
        eventually(LONG, "the old worker has ended", || (!lives(old.parse().expect("a pid"))).then_some(()));
    }
    let gunicorn = children(&pod)["gunicorn"];
    kill(gunicorn, Signal::SIGKILL);
    load.more(10);
    assert_ne!(children(&pod)["gunicorn"], gunicorn);
    assert_eq!(load.lost(), Vec::<String>::new());
    let publish = ["--site", SITE, "execute", "frappe.realtime.publish_realtime", "--kwargs"];
    let published =
        stage.bench.run(&[&publish[..], &["{'event': 'told', 'message': 'over', 'room': 'all'}"]].concat());
    assert_eq!(published.exit, Some(0), "{}", published.text);
    page.says("told over");
    assert_eq!(page.log().matches("connected").count(), 1);
}

/// Redis stops and starts again under all roles: only roles that need it restart, and all become ready again.
#[test]
fn redis_restarts_under_all_roles() {
    let mut stage = AllStage::new();
    let mut pod = ready(stage.all());
    let before = children(&pod);
    stage.redis.stop();
    eventually(LONG, "the roles that need Redis are not ready", || {
        (!role(&pod, "worker") && !role(&pod, "socketio")).then_some(())
    });
    assert!(role(&pod, "web"));
    stage.redis.start_again();
    pod.answers("/readyz", 200);
    let after = children(&pod);
    assert_eq!((before["gunicorn"], before["scheduler"]), (after["gunicorn"], after["scheduler"]));
    assert!(before["socketio"] != after["socketio"]);
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
}

#[test]
fn a_crash_looping_role_does_not_stop_the_others() {
    let stage = AllStage::new();
    // node's script exits at once, every time.
    let script = stage.bench.path().join("apps/frappe/socketio.js");
    fs::write(&script, "process.exit(3)").expect("a script that fails");
    let pod = stage.all().start();
    pod.event("service.role_down");
    eventually(LONG, "the others work", || {
        ["web", "worker", "scheduler"].iter().all(|name| role(&pod, name)).then_some(())
    });
    assert!(!role(&pod, "socketio"));
    assert_eq!(pod.probe("/readyz"), 503);
    assert_eq!(http::status(stage.port, SITE, "/api/method/ping"), 200);
    // A crash of one role does not affect the others.
    let gunicorn = children(&pod)["gunicorn"];
    kill(children(&pod)["worker long 1"], Signal::SIGKILL);
    pod.event("service.ended_unexpectedly");
    assert_eq!(children(&pod)["gunicorn"], gunicorn);
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    // With CAULDRON_ON_FAILURE=exit it stops them, with the role's exit code.
    stage.all().set("CAULDRON_ON_FAILURE", "exit").run().exits(3).says("node exited with code 3 repeatedly");
    let mut held = stage.all().set("CAULDRON_ON_FAILURE", "hold").start();
    held.answers("/startupz", 503);
}

/// The web port tells visitors the truth, without the reason, and serves again when gunicorn can start.
#[test]
fn the_page_of_a_crash_looping_gunicorn_says_so() {
    let stage = AllStage::new();
    let application = stage.bench.path().join("apps/frappe/frappe/app.py");
    let working = fs::read(&application).expect("the application");
    fs::write(&application, "raise ImportError('canary of the log')").expect("an application that fails");
    let mut pod = stage.all().start();
    pod.event("service.role_down");
    let ask = |accept: &str| {
        let accept = format!("Accept: {accept}");
        http::get_with(stage.port, SITE, "/app", &[&accept]).expect("an answer")
    };
    let page = ask("text/html");
    assert_eq!(
        (page.status, page.header("retry-after"), page.header("x-cauldron-phase")),
        (503, "5", "failing")
    );
    assert!(page.body.contains("<h1>This site's web process keeps failing to start</h1>"), "{}", page.body);
    let json = ask("application/json");
    let state: serde_json::Value = serde_json::from_str(&json.body).expect("JSON");
    assert_eq!((&state["phase"], &state["steps"][2]["state"]), (&"failing".into(), &"failed".into()));
    for internal in ["gunicorn", "canary", "code 3", "being prepared"] {
        assert!(!format!("{}{}", page.body, json.body).contains(internal), "{internal}");
    }
    // The next start fails too; meanwhile requests wait for it.
    eventually(LONG, "a request that waited gets the same sentence", || {
        let answer = ask("application/json");
        answer.body.contains("\"message\":\"The site's web process keeps failing to start.\"").then_some(())
    });
    fs::write(&application, working).expect("the application");
    pod.answers("/readyz", 200);
    assert_eq!(ask("text/html").status, 200);
}

#[test]
fn json_lines_have_role_pid_and_stream() {
    let stage = RolesStage::new();
    let pod = ready(stage.command("worker").set("WORKER_QUEUES", "short").set("CAULDRON_CHILD_LOGS", "json"));
    let line = eventually(LONG, "a line from RQ", || {
        pod.log().lines().find(|line| line.contains("Listening on")).map(str::to_owned)
    });
    let record: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&record["role"], &record["child"]), (&"worker".into(), &"worker short 1".into()));
    assert_eq!(record["pid"].as_i64(), children(&pod).into_values().next().map(i64::from));
    assert!(["stdout", "stderr"].contains(&record["stream"].as_str().expect("a stream")));
}
