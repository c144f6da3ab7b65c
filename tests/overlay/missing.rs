//! A pod that cannot import an app of the site runs nothing, and reports why.

use std::fs;

use crate::stage::{LONG, OverlayStage, SITE};
use crate::support::http;
use crate::support::made_app::MadeApp;
use crate::support::port;
use crate::support::wait::eventually;

#[test]
fn a_pod_without_the_code_is_unready_until_the_code_exists() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("lost_app", "1.0.0");
    stage.bootstrap(&[&app]);
    // The code is missing on the volume: there is no bundle, and the link is broken.
    let bundles = stage.bench.sites().join(".cauldron/bundles");
    let hidden = bundles.with_extension("hidden");
    fs::rename(&bundles, &hidden).expect("the bundles are hidden");
    stage.leader().run().exits(78).says("lost_app");
    let web_port = port::free();
    let web = stage.manifest("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{web_port}")).start();
    let worker = stage.manifest("worker").start();
    for pod in [&web, &worker] {
        pod.event("app.not_importable");
        eventually(LONG, "it names the app", || {
            pod.body("/readyz?verbose").contains("not importable in this pod: lost_app").then_some(())
        });
        assert_eq!((pod.probe("/readyz"), pod.probe("/livez")), (503, 200));
    }
    // Nothing runs: no request is answered by an incomplete site, and no job of the app fails.
    assert_eq!(http::status(web_port, SITE, "/api/method/ping"), 503);
    assert!(stage.redis.ask::<Vec<String>>(1, &["SMEMBERS", "rq:workers"]).is_empty());
    fs::rename(&hidden, &bundles).expect("the bundles are back");
    for mut pod in [web, worker] {
        pod.answers("/readyz", 200);
    }
}

/// The control with Frappe alone: ping is 200 then, and a worker takes the app's jobs.
#[test]
fn frappe_alone_would_serve() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("lost_app", "1.0.0");
    stage.bootstrap(&[&app]);
    let port = port::free();
    let _gunicorn = crate::support::running::Running::spawn(&mut stage.bench.gunicorn(port, 5));
    eventually(LONG, "ping", || (http::status(port, SITE, "/api/method/ping") == 200).then_some(()));
    assert_eq!(http::status(port, SITE, "/login"), 500);
}

#[test]
fn a_serving_pod_that_lacks_a_new_app_is_unready() {
    let stage = OverlayStage::new();
    let web = stage.web_with(&[]);
    // The leader of another image installs an app of its own, which is not on the volume.
    let record = stage.bench.sites().join(format!(".cauldron/{SITE}/installed_apps"));
    fs::write(&record, "frappe\nelsewhere_app").expect("the leader's record");
    eventually(LONG, "it is unready", || (web.pod.probe("/readyz") == 503).then_some(()));
    assert!(web.pod.body("/readyz?verbose").contains("elsewhere_app"));
    fs::write(&record, "frappe").expect("the leader's record");
    eventually(LONG, "it is ready again", || (web.pod.probe("/readyz") == 200).then_some(()));
}
