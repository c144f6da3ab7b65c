//! Pods that run while an app comes: they get its code, and none answers 500 for want of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::place::{LONG, Place, SITE, Web};
use crate::support::http;
use crate::support::made_app::{MadeApp, pin_baked};
use crate::support::port;
use crate::support::wait::eventually;

/// What a pod answers while something else goes on.
struct Asking {
    stop: Arc<AtomicBool>,
    asked: std::thread::JoinHandle<(usize, Vec<String>)>,
}

impl Asking {
    fn start(port: u16, paths: &'static [&'static str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let asked = std::thread::spawn(move || {
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
        Self { stop, asked }
    }

    #[track_caller]
    fn none_failed(self) {
        self.fails_only(|_| false);
    }

    /// Frappe's own answer while the site is migrated, and nothing else.
    #[track_caller]
    fn failed_in_maintenance_at_most(self) {
        self.fails_only(|failure| failure.contains("503") && failure.contains("SessionStopped"));
    }

    #[track_caller]
    fn fails_only(self, may: impl Fn(&str) -> bool) {
        self.stop.store(true, Ordering::Relaxed);
        let (count, mut failed) = self.asked.join().expect("the asking ends");
        failed.retain(|failure| !may(failure));
        assert!(failed.is_empty(), "{} of {count}: {}", failed.len(), failed.join("\n"));
        assert!(count > 20, "only {count} were asked");
    }
}

#[test]
fn a_pod_of_the_old_list_goes_on_and_gets_the_code() {
    let place = Place::new();
    let old = place.web(&[]);
    let asking = Asking::start(old.port, &["/api/method/ping", "/login"]);
    let app = MadeApp::new("new_app", "1.0.0").with_requirement("new_requirement", "two");
    let new = place.web(&[&app]);
    place.has_whole(&app);
    assert_eq!(old.call("new_app.tasks.version"), r#""1.0.0""#);
    assert_eq!(old.call("new_app.tasks.required"), r#"["two"]"#);
    // Its list follows, so what it caches hides the app from nobody.
    old.pod.says("the apps of this pod changed");
    old.comes_to("new_app.tasks.marks", r#"["new_app"]"#);
    new.comes_to("new_app.tasks.marks", r#"["new_app"]"#);
    asking.none_failed();
    assert_eq!(old.pod.probe("/readyz"), 200);
}

/// A new image brings an app: the pods of the one before serve on with a copy of its code.
#[test]
fn a_pod_of_an_image_without_the_app_gets_the_code() {
    let place = Place::new();
    // Images have their bench in one place, so one name for what is in Redis.
    place.bench.configure(json!({"bench_id": "one"}));
    let old = place.web(&[]);
    let asking = Asking::start(old.port, &["/api/method/ping", "/login"]);
    let app = MadeApp::new("image_app", "1.0.0");
    let image = place.bench.other_image();
    app.bake(&image);
    let list = pin_baked(&image, &[&app]);
    let new = Web::start(place.on(&image, "web").set("CAULDRON_APPS", list));
    new.pod.says("only this image has it");
    place.has_whole(&app);
    assert_eq!(new.call("image_app.tasks.version"), r#""1.0.0""#);
    assert_eq!(old.call("image_app.tasks.version"), r#""1.0.0""#);
    old.comes_to("image_app.tasks.marks", r#"["image_app"]"#);
    asking.none_failed();
    assert_eq!(old.pod.probe("/readyz"), 200);
}

/// A → B with four roles each under load: no request fails for a missing module, and no job is lost.
#[test]
fn a_rollout_from_one_commit_to_the_next() {
    let place = Place::new();
    let (a, b) = (MadeApp::new("roll_app", "1.0.0"), MadeApp::new("roll_app", "2.0.0"));
    let old = place.web(&[&a]);
    let behind = |app: &MadeApp| {
        ["worker", "scheduler", "socketio"].map(|role| {
            let mut pod = place.with(role, &[app]).set("SOCKETIO_PORT", port::free()).start();
            pod.answers("/readyz", 200);
            pod
        })
    };
    let old_others = behind(&a);
    let asking = Asking::start(old.port, &["/api/method/roll_app.tasks.version", "/login"]);
    let enqueue = |web: &crate::place::Web, words: std::ops::Range<usize>| {
        for word in words {
            web.call(&format!("roll_app.tasks.enqueue?word={word}"));
        }
    };
    enqueue(&old, 0..10);
    let new = place.web(&[&b]);
    enqueue(&old, 10..20);
    enqueue(&new, 20..30);
    let new_others = behind(&b);
    // Each keeps its own version: a link that moved changes nothing for who has one.
    assert_eq!(old.call("roll_app.tasks.version"), r#""1.0.0""#);
    assert_eq!(new.call("roll_app.tasks.version"), r#""2.0.0""#);
    asking.failed_in_maintenance_at_most();
    for pod in std::iter::once(old.pod).chain(old_others) {
        pod.signal(Signal::SIGTERM);
        pod.end().exits(0);
    }
    enqueue(&new, 30..40);
    eventually(LONG, "every job once", || (place.read("roll_app_jobs").lines().count() == 40).then_some(()));
    let jobs = place.read("roll_app_jobs");
    for word in 0..40 {
        let ran =
            jobs.lines().filter(|line| line.split(' ').next() == Some(word.to_string().as_str())).count();
        assert_eq!(ran, 1, "job {word}: {jobs}");
    }
    for pod in &new_others {
        assert_eq!(pod.probe("/readyz"), 200);
    }
    // An old pod that starts again in the rollout joins what it had.
    let again = place.web(&[&a]);
    assert_eq!(again.call("roll_app.tasks.version"), r#""1.0.0""#);
}
