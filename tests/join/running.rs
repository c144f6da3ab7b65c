//! Pods that run while an app comes: they get its code, and none answers 500 for want of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::place::{LONG, Place, SITE};
use crate::support::http;
use crate::support::made_app::MadeApp;
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
        self.stop.store(true, Ordering::Relaxed);
        let (count, failed) = self.asked.join().expect("the asking ends");
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

/// A → B with four roles each under load: no request fails for a missing module, and no job is lost.
#[test]
fn a_rollout_from_one_commit_to_the_next() {
    let place = Place::new();
    let (a, b) = (MadeApp::new("roll_app", "1.0.0"), MadeApp::new("roll_app", "2.0.0"));
    let old = place.web(&[&a]);
    let mut old_worker = place.with("worker", &[&a]).start();
    old_worker.answers("/readyz", 200);
    let mut old_scheduler = place.with("scheduler", &[&a]).start();
    old_scheduler.answers("/readyz", 200);
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
    let mut new_worker = place.with("worker", &[&b]).start();
    new_worker.answers("/readyz", 200);
    // Each keeps its own version: a link that moved changes nothing for who has one.
    assert_eq!(old.call("roll_app.tasks.version"), r#""1.0.0""#);
    assert_eq!(new.call("roll_app.tasks.version"), r#""2.0.0""#);
    asking.none_failed();
    for pod in [old.pod, old_worker, old_scheduler] {
        pod.signal(nix::sys::signal::Signal::SIGTERM);
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
    // An old pod that starts again in the rollout joins what it had.
    let again = place.web(&[&a]);
    assert_eq!(again.call("roll_app.tasks.version"), r#""1.0.0""#);
}
