//! One list, four roles, one commit of each app.

use std::fs;

use nix::sys::signal::Signal;

use crate::stage::{LONG, OverlayStage, SITE};
use crate::support::http;
use crate::support::made_app::{MadeApp, pin};
use crate::support::port;
use crate::support::stage::ready;
use crate::support::wait::eventually;

#[test]
fn an_app_with_a_requirement_is_in_all_four_roles() {
    let stage = OverlayStage::new();
    let base = MadeApp::new("base_app", "1.0.0").with_requirement("base_requirement", "one");
    let top = MadeApp::new("top_app", "1.0.0").requires("acme/base_app");
    let volume = fs::read_to_string(stage.bench.sites().join("apps.txt")).expect("apps.txt");
    let assets = fs::read_to_string(stage.bench.sites().join("assets/assets.json")).expect("assets.json");
    // The list has them in the wrong order; the required app is installed first anyway.
    let web = stage.web_with(&[&top, &base]);
    assert_eq!(stage.installed(), ["frappe", "base_app", "top_app"]);
    for app in [&base, &top] {
        stage.has_complete(app);
    }
    assert_eq!(web.call("base_app.tasks.required"), r#"["one"]"#);
    let list = pin(&stage.bench, &[&top, &base]);
    let socketio_port = port::free();
    let roles: Vec<_> = ["worker", "scheduler", "socketio"]
        .iter()
        .map(|role| {
            let command =
                stage.manifest(role).set("CAULDRON_APPS", &list).set("SOCKETIO_PORT", socketio_port);
            command.start()
        })
        .collect();
    for mut pod in roles {
        pod.answers("/readyz", 200);
        if pod.log().contains("worker short") {
            web.call("top_app.tasks.enqueue?word=hello");
            eventually(LONG, "the job", || (stage.read("top_app_jobs") == "hello 1.0.0\n").then_some(()));
        }
        pod.signal(Signal::SIGTERM);
        pod.end().exits(0);
    }
    assert_eq!(web.code("/login"), 200);
    // The volume's own lists are unchanged.
    assert_eq!(fs::read_to_string(stage.bench.sites().join("apps.txt")).expect("apps.txt"), volume);
    assert_eq!(fs::read_to_string(stage.bench.sites().join("assets/assets.json")).expect("assets"), assets);
}

#[test]
fn the_role_all_runs_jobs_and_scheduled_jobs_of_the_app() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("one_app", "1.0.0");
    let (web, socketio) = (port::free(), port::free());
    let pod = ready(
        stage
            .with("all", &[&app])
            .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{web}"))
            .set("SOCKETIO_PORT", socketio),
    );
    stage.has_complete(&app);
    let answer = http::get(web, SITE, "/api/method/one_app.tasks.enqueue?word=a").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    eventually(LONG, "a job", || (stage.read("one_app_jobs") == "a 1.0.0\n").then_some(()));
    // The job is due each minute from the row's creation, which is moved back by an hour.
    stage.session().run(
        r#"UPDATE "tabScheduled Job Type" SET creation = now() - interval '1 hour', last_execution = NULL"#,
    );
    eventually(LONG, "the app's scheduled job", || {
        stage.read("one_app_ticks").contains("1.0.0").then_some(())
    });
    pod.signal(Signal::SIGTERM);
    pod.end().exits(0);
}
