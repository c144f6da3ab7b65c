//! A limit of 0 means no limit; and readiness is probed on the same path that requests take.

use std::fs;
use std::thread;

use nix::sys::signal::Signal;

use crate::stage::{self, SITE};
use crate::support::binary::{LONG, Pod, event};
use crate::support::http;
use crate::support::stage::ready;
use crate::support::wait::eventually;

fn gunicorns_command(pod: &Pod) -> String {
    let status: serde_json::Value = serde_json::from_str(&pod.body("/status")).expect("JSON");
    let pid = &status["children"][0]["pid"];
    fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("a command").replace('\0', " ")
}

#[test]
fn a_limit_of_zero_means_no_limit() {
    let stage = stage::new();
    for (variable, is_gunicorns) in [("GUNICORN_TIMEOUT", true), ("PROXY_READ_TIMEOUT", false)] {
        for none in ["0", "0s"] {
            let pod = ready(stage.web().set(variable, none));
            assert_eq!(stage.get("/api/method/frappe.sample.slow?seconds=1"), 200, "{variable}={none}");
            let command = gunicorns_command(&pod);
            assert_eq!(command.contains(" --timeout 0 "), is_gunicorns, "{command}");
        }
    }
}

#[test]
fn an_unlimited_grace_period_waits_for_the_request_in_progress() {
    let stage = stage::new();
    let pod = ready(stage.web().set("CAULDRON_GRACE", "0"));
    let folder = tempfile::tempdir().expect("a folder");
    let (started, release) = (folder.path().join("started"), folder.path().join("release"));
    let path =
        format!("/api/method/frappe.sample.held?started={}&release={}", started.display(), release.display());
    let port = stage.port;
    let request = thread::spawn(move || http::status(port, SITE, &path));
    eventually(LONG, "the request is in progress", || started.exists().then_some(()));
    pod.signal(Signal::SIGTERM);
    eventually(LONG, "readiness is off", || (pod.probe("/readyz") == 503).then_some(()));
    fs::write(&release, "").expect("the release");
    assert_eq!(request.join().expect("a status"), 200);
    pod.end().exits(0);
}

#[test]
fn a_web_port_that_does_not_answer_is_not_ready() {
    let stage = stage::new();
    // gunicorn works, but its responses reach no client.
    let mut pod = stage.web().set("PROXY_READ_TIMEOUT", "1ms").start();
    pod.answers("/livez", 200);
    eventually(LONG, "the probe sees what clients see", || {
        let body = pod.body("/readyz");
        body.contains("/api/method/ping answered 504").then_some(())
    });
    assert_eq!((pod.probe("/readyz"), pod.probe("/readyz?deep")), (503, 503));
    // Our own probes are not counted.
    let metrics = pod.body("/metrics");
    let counted = metrics.lines().filter(|line| line.starts_with("cauldron_frappe_http_requests_total{"));
    assert!(counted.clone().count() > 0 && counted.clone().all(|line| line.ends_with(" 0")), "{metrics}");
    assert!(!pod.log().contains(&event("request.answered")), "{}", pod.log());
}

#[test]
fn a_site_without_a_host_is_probed() {
    let stage = stage::new();
    let pod = ready(stage.web().set("CAULDRON_HOSTS", format!("erp.example.com={SITE}")));
    assert_eq!((stage.get("/login"), pod.probe("/readyz?deep")), (404, 200));
}
