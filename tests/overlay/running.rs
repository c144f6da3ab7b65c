//! Pods that run while an app is installed get its code, and none answers 500 because it lacks the code.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::stage::{LONG, OverlayStage, SITE};
use crate::support::http;
use crate::support::made_app::{MadeApp, pin_baked};
use crate::support::port;
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::support::web::Web;

/// Sends requests to a pod in a thread, and collects the failures.
struct Requests {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(usize, Vec<String>)>,
}

impl Requests {
    fn start(port: u16, paths: &'static [&'static str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut count, mut failed) = (0, Vec::new());
            while !until.load(Ordering::Relaxed) {
                for path in paths {
                    let answer = http::get(port, SITE, path);
                    count += 1;
                    if answer.as_ref().is_none_or(|answer| answer.status != 200) {
                        failed
                            .push(format!("{path}: {:?}", answer.map(|answer| (answer.status, answer.body))));
                    }
                }
            }
            (count, failed)
        });
        Self { stop, thread }
    }

    #[track_caller]
    fn none_failed(self) {
        self.fails_only(|_| false);
    }

    /// Asserts that requests failed only with Frappe's own answer during a migration.
    #[track_caller]
    fn failed_in_maintenance_at_most(self) {
        self.fails_only(|failure| failure.contains("503") && failure.contains("SessionStopped"));
    }

    #[track_caller]
    fn fails_only(self, may: impl Fn(&str) -> bool) {
        self.stop.store(true, Ordering::Relaxed);
        let (count, mut failed) = self.thread.join().expect("the thread ends");
        failed.retain(|failure| !may(failure));
        assert!(failed.is_empty(), "{} of {count}: {}", failed.len(), failed.join("\n"));
        assert!(count > 20, "only {count} were sent");
    }
}

#[test]
fn a_pod_with_the_old_list_continues_and_gets_the_code() {
    let stage = OverlayStage::new();
    let old = stage.web_with(&[]);
    let requests = Requests::start(old.port, &["/api/method/ping", "/login"]);
    let app = MadeApp::new("new_app", "1.0.0").with_requirement("new_requirement", "two");
    let new = stage.web_with(&[&app]);
    stage.has_complete(&app);
    assert_eq!(old.call("new_app.tasks.version"), r#""1.0.0""#);
    assert_eq!(old.call("new_app.tasks.required"), r#"["two"]"#);
    // Its list is updated, so its cache entries hide the app from no pod.
    old.pod.event("overlay.apps_changed");
    old.returns_eventually("new_app.tasks.marks", r#"["new_app"]"#);
    new.returns_eventually("new_app.tasks.marks", r#"["new_app"]"#);
    requests.none_failed();
    assert_eq!(old.pod.probe("/readyz"), 200);
}

/// A new image has a new app: the pods of the previous image continue to serve, with a copy of its code.
#[test]
fn a_pod_of_an_image_without_the_app_gets_the_code() {
    let stage = OverlayStage::new();
    // Images have their bench at the same path, and so the same bench id in Redis.
    stage.bench.configure(json!({"bench_id": "one"}));
    let old = stage.web_with(&[]);
    let requests = Requests::start(old.port, &["/api/method/ping", "/login"]);
    let app = MadeApp::new("image_app", "1.0.0");
    let image = stage.bench.other_image();
    app.bake(&image);
    let list = pin_baked(&image, &[&app]);
    let new = Web::ready(stage.manifest_on(&image, "web").set("CAULDRON_APPS", list));
    new.pod.event("app.copy_to_volume_started");
    stage.has_complete(&app);
    assert_eq!(new.call("image_app.tasks.version"), r#""1.0.0""#);
    assert_eq!(old.call("image_app.tasks.version"), r#""1.0.0""#);
    old.returns_eventually("image_app.tasks.marks", r#"["image_app"]"#);
    requests.none_failed();
    assert_eq!(old.pod.probe("/readyz"), 200);
}

/// A → B with four roles each under load: no request fails for a missing module, and no job is lost.
#[test]
fn a_rollout_from_one_commit_to_the_next() {
    let stage = OverlayStage::new();
    let (a, b) = (MadeApp::new("roll_app", "1.0.0"), MadeApp::new("roll_app", "2.0.0"));
    let old = stage.web_with(&[&a]);
    let other_roles = |app: &MadeApp| {
        ["worker", "scheduler", "socketio"]
            .map(|role| ready(stage.with(role, &[app]).set("SOCKETIO_PORT", port::free())))
    };
    let old_others = other_roles(&a);
    let requests = Requests::start(old.port, &["/api/method/roll_app.tasks.version", "/login"]);
    let enqueue = |web: &Web, words: std::ops::Range<usize>| {
        for word in words {
            web.call(&format!("roll_app.tasks.enqueue?word={word}"));
        }
    };
    enqueue(&old, 0..10);
    let new = stage.web_with(&[&b]);
    enqueue(&old, 10..20);
    enqueue(&new, 20..30);
    let new_others = other_roles(&b);
    // Each pod uses its own version: a changed link does not affect pods that have one.
    assert_eq!(old.call("roll_app.tasks.version"), r#""1.0.0""#);
    assert_eq!(new.call("roll_app.tasks.version"), r#""2.0.0""#);
    requests.failed_in_maintenance_at_most();
    for pod in std::iter::once(old.pod).chain(old_others) {
        pod.signal(Signal::SIGTERM);
        pod.end().exits(0);
    }
    enqueue(&new, 30..40);
    eventually(LONG, "every job once", || (stage.read("roll_app_jobs").lines().count() == 40).then_some(()));
    let jobs = stage.read("roll_app_jobs");
    for word in 0..40 {
        let ran =
            jobs.lines().filter(|line| line.split(' ').next() == Some(word.to_string().as_str())).count();
        assert_eq!(ran, 1, "job {word}: {jobs}");
    }
    for pod in &new_others {
        assert_eq!(pod.probe("/readyz"), 200);
    }
    // An old pod that restarts during the rollout uses the same code as before.
    let again = stage.web_with(&[&a]);
    assert_eq!(again.call("roll_app.tasks.version"), r#""1.0.0""#);
}
