//! The web role on the sample bench: serving, probes, stops, reloads, crashes.

mod support;

#[path = "front/stage.rs"]
mod stage;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use stage::SITE;
use support::bench::{ADMIN_PASSWORD, Bench};
use support::binary::{Binary, LONG, Pod};
use support::postgres::PASSWORD;
use support::running::Running;
use support::stage::ready;
use support::wait::eventually;
use support::{http, port};

/// Well below the 30 s for which gunicorn does not react to TERM, and well above the duration of a stop.
const SOON: Duration = Duration::from_secs(8);

fn status(pod: &Pod) -> Value {
    serde_json::from_str(&pod.body("/status")).expect("JSON")
}

fn gunicorn_pid(pod: &Pod) -> i32 {
    let pid = status(pod)["children"][0]["pid"].as_i64().expect("gunicorn's pid");
    i32::try_from(pid).expect("a pid")
}

#[test]
fn a_serving_pod_reports_its_state() {
    let stage = stage::new();
    let pod = stage.serving();
    assert_eq!(stage.get("/api/method/ping"), 200);
    assert_eq!(stage.get("/files/../../site_config.json"), 404, "application_with_statics() serves any file");
    for path in ["/livez", "/startupz", "/readyz"] {
        assert_eq!(pod.body(path), "ok\n");
        assert!(pod.body(&format!("{path}?verbose")).starts_with("[+] "));
    }
    let status = status(&pod);
    assert_eq!(
        (&status["role"], &status["site"], &status["ready"]),
        (&"web".into(), &SITE.into(), &true.into())
    );
    assert_eq!(status["children"][0]["state"], "running");
    let metrics = pod.body("/metrics");
    assert!(metrics.contains("\ncauldron_frappe_ready 1\n") && metrics.ends_with("# EOF\n"), "{metrics}");
}

#[test]
fn no_secret_is_in_an_environment_or_in_the_log() {
    let stage = stage::new();
    let pod = stage.serving();
    let environment = |pid: i32| fs::read_to_string(format!("/proc/{pid}/environ")).expect("an environment");
    let child = environment(gunicorn_pid(&pod));
    assert!(child.contains("PGGSSENCMODE=disable") && child.contains("idle_in_transaction_session_timeout"));
    for secret in [PASSWORD, ADMIN_PASSWORD] {
        assert!(!child.contains(secret));
        assert!(!environment(pod.pid() as i32).contains(secret));
        assert!(!pod.log().contains(secret));
    }
}

#[test]
fn an_idle_pod_stops_at_once_although_gunicorn_reacts_late_to_term() {
    let stage = stage::new();
    let pod = stage.serving();
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    // Negative control: the same gunicorn without the supervisor does not react to TERM.
    stage.bench.connect(&stage.postgres, &stage.redis);
    let port = port::free();
    let mut bare = Running::spawn(&mut stage.bench.gunicorn(port, 30));
    eventually(LONG, "the bare gunicorn serves", || {
        (http::status(port, SITE, "/api/method/ping") == 200).then_some(())
    });
    bare.signal(Signal::SIGTERM);
    assert_eq!(
        bare.exit_within(SOON),
        None,
        "gunicorn stops at once by itself: the test above proves nothing"
    );
}

#[test]
fn a_request_in_flight_is_answered_before_the_stop() {
    let stage = stage::new();
    let pod = stage.serving();
    let folder = tempfile::tempdir().expect("a folder");
    let (started, release) = (folder.path().join("started"), folder.path().join("release"));
    let path =
        format!("/api/method/frappe.sample.held?started={}&release={}", started.display(), release.display());
    let port = stage.port;
    let request = thread::spawn(move || http::status(port, SITE, &path));
    eventually(LONG, "the request is in flight", || started.exists().then_some(()));
    pod.signal(Signal::SIGTERM);
    eventually(LONG, "readiness is off", || (pod.probe("/readyz") == 503).then_some(()));
    fs::write(&release, "").expect("the release");
    assert_eq!(request.join().expect("a status"), 200);
    pod.end_within(SOON).exits(0);
}

#[test]
fn a_pod_drains_before_it_stops() {
    let stage = stage::new();
    let mut pod = ready(stage.web().set("CAULDRON_DRAIN", "1h"));
    pod.signal(Signal::SIGTERM);
    eventually(LONG, "readiness is off", || (pod.probe("/readyz") == 503).then_some(()));
    assert!(pod.body("/readyz").contains("draining"));
    assert_eq!(stage.get("/api/method/ping"), 200, "endpoints still send requests here");
    eventually(LONG, "a second TERM ends the drain", || {
        pod.signal(Signal::SIGTERM);
        pod.exit()
    });
}

#[test]
fn hup_reloads_gunicorn() {
    let stage = stage::new();
    let pod = stage.serving();
    let worker = || http::get(stage.port, SITE, "/api/method/frappe.sample.pid").map(|answer| answer.body);
    let before = worker().expect("a worker");
    let master = gunicorn_pid(&pod);
    pod.signal(Signal::SIGHUP);
    let old_worker = format!("/proc/{}", before.trim_matches(|c: char| !c.is_ascii_digit()));
    eventually(SOON, "the old worker has ended", || (!Path::new(&old_worker).exists()).then_some(()));
    assert_eq!(gunicorn_pid(&pod), master);
    assert_eq!(stage.get("/api/method/ping"), 200);
}

#[test]
fn gunicorn_is_restarted_after_a_crash() {
    let stage = stage::new();
    let pod = stage.serving();
    let first = gunicorn_pid(&pod);
    kill(Pid::from_raw(first), Signal::SIGKILL).expect("gunicorn");
    eventually(LONG, "another gunicorn runs", || {
        let status = status(&pod);
        let child = &status["children"][0];
        (child["restarts"] == 1 && child["state"] == "running").then_some(())
    });
    assert_ne!(gunicorn_pid(&pod), first);
    eventually(LONG, "it serves again", || (stage.get("/api/method/ping") == 200).then_some(()));
    assert_eq!(status(&pod)["children"][0]["last_exit"], "was ended by SIGKILL");
}

/// Replaces gunicorn by a script.
fn replace_gunicorn(bench: &Bench, script: &str) {
    let path = bench.path().join("env/bin/gunicorn");
    fs::remove_file(&path).expect("gunicorn");
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("an executable");
}

#[test]
fn a_crash_loop_ends_with_the_exit_code_of_the_child_or_holds_the_pod() {
    let stage = stage::new();
    drop(stage.serving());
    replace_gunicorn(&stage.bench, "#!/bin/sh\nexit 42\n");
    stage.web().run().exits(42).says("exited with code 42 repeatedly");
    let mut held = stage.web().set("CAULDRON_ON_FAILURE", "hold").start();
    held.answers("/livez", 200);
    eventually(LONG, "it is held", || (status(&held)["phase"] == "held").then_some(()));
    assert_eq!((held.probe("/livez"), held.probe("/readyz")), (200, 503));
    assert!(held.body("/readyz").contains("repeatedly"), "{}", held.body("/readyz"));
    assert_eq!(held.exit(), None);
    held.signal(Signal::SIGTERM);
    held.end_within(SOON).exits(42);
    replace_gunicorn(&stage.bench, "#!/bin/sh\nexit 0\n");
    stage.web().run().exits(75);
}

#[test]
fn a_pod_is_live_but_not_ready_without_a_dependency() {
    let mut stage = stage::new();
    stage.postgres.stop();
    let mut pod = stage.web().start();
    pod.answers("/livez", 200);
    eventually(LONG, "readiness names the missing dependency", || {
        pod.body("/readyz").contains("postgres at").then_some(())
    });
    assert_eq!((pod.probe("/livez"), pod.probe("/startupz"), pod.probe("/readyz")), (200, 200, 503));
    stage.postgres.start_again();
    pod.answers("/readyz", 200);
    stage.postgres.stop();
    pod.answers("/readyz", 503);
    assert!(pod.body("/readyz").contains("ping"), "{}", pod.body("/readyz"));
    assert_eq!(pod.probe("/livez"), 200);
    stage.postgres.start_again();
    pod.answers("/readyz", 200);
}

#[test]
fn term_while_waiting_for_dependencies_is_a_normal_stop() {
    let mut stage = stage::new();
    stage.postgres.stop();
    let mut pod = stage.web().start();
    pod.answers("/livez", 200);
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
}

#[test]
fn probe_and_status_query_the_running_supervisor() {
    let stage = stage::new();
    let mut pod = stage.serving();
    let address = format!("127.0.0.1:{}", pod.health_port());
    let ask = |arguments: &[&str]| Binary::new(arguments).set("CAULDRON_HEALTH_ADDR", &address).run();
    for what in ["live", "ready", "startup"] {
        ask(&["probe", what]).exits(0);
    }
    let report: Value =
        serde_json::from_str(&ask(&["status", "--format", "json"]).exits(0).stdout).expect("JSON");
    assert_eq!(report["pid"], pod.pid());
    assert!(ask(&["status"]).exits(0).stdout.contains("phase      serving"));
    kill(Pid::from_raw(gunicorn_pid(&pod)), Signal::SIGSTOP).expect("gunicorn");
    pod.signal(Signal::SIGTERM);
    let red = eventually(LONG, "the probe is red", || {
        let ended = ask(&["probe", "ready"]);
        (ended.exit == 69).then_some(ended)
    });
    assert!(red.stdout.contains("draining"), "{red}");
    pod.signal(Signal::SIGKILL);
    eventually(LONG, "it ended", || pod.exit());
    ask(&["probe", "live"]).exits(69).says("no supervisor answers");
}
