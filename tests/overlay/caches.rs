//! Cache entries of other pods hide no app, and name no module that this pod lacks.

use crate::stage::{LONG, OverlayStage, SITE};
use crate::support::made_app::MadeApp;
use crate::support::wait::eventually;

/// Replaces a value in the cache Redis, as a pod with another code does at any time: under the name of the key, or
/// under the names that contain a digest of code.
fn fill(stage: &OverlayStage, names: &str, list: &str, hooks: &str) {
    let script = "import redis, pickle, sys; url, names, apps, hooks = sys.argv[1:]; r = redis.from_url(url)\n\
                  for name, value in (('all_apps', eval(apps)), ('app_hooks', eval(hooks))):\n\
                  \x20   for key in r.keys(f'apps_test|{name}:*') if names == 'digests' else [f'apps_test|{name}']:\n\
                  \x20       r.set(key, pickle.dumps(value)) if value else r.delete(key)";
    let mut python = stage.bench.program("env/bin/python");
    let arguments = [&stage.redis.url(0), names, list, hooks];
    assert!(python.args(["-c", script]).args(arguments).status().expect("python runs").success());
}

#[test]
fn hooks_that_other_code_cached_are_not_used() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("one_app", "1.0.0");
    let web = stage.web_with(&[&app]);
    assert_eq!(web.call("one_app.tasks.marks"), r#"["one_app"]"#);
    // Those of a pod of an earlier release, whose keys contain no digest.
    let foreign = "{'marks': ['foreign'], 'before_request': ['one_app.gone.before_request']}";
    fill(&stage, "name", "['frappe']", foreign);
    assert_eq!(web.call("one_app.tasks.marks"), r#"["one_app"]"#);
    // Those of this pod's own code are used.
    fill(&stage, "digests", "['frappe']", "{'marks': ['own']}");
    assert_eq!(web.call("one_app.tasks.marks"), r#"["own"]"#);
}

#[test]
fn caches_are_cleared_again_after_the_last_older_pod_has_ended() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("one_app", "1.0.0");
    stage.bench.configure(serde_json::json!({"bench_id": "one"}));
    let key = format!("cauldron:views:one:{}", SITE);
    let redis = &stage.redis;
    // A pod of another image, whose list lacks the app.
    let now: (u64, u64) = redis.ask(0, &["TIME"]);
    redis.ask::<i64>(0, &["HSET", &key, "older", &format!("{} frappe", now.0)]);
    let web = stage.web_with(&[&app]);
    assert_eq!(web.call("one_app.tasks.marks"), r#"["one_app"]"#);
    let ours = eventually(LONG, "this pod's own registration", || {
        let ids: Vec<String> = redis.ask(0, &["HKEYS", &key]);
        (ids.len() == 2).then_some(ids)
    });
    // A request of a pod of this code that began before its list changed.
    fill(&stage, "digests", "['frappe']", "None");
    assert_eq!(web.call("one_app.tasks.marks"), "[]", "the cache hides the app");
    redis.ask::<i64>(0, &["HDEL", &key, "older"]);
    web.pod.event("overlay.differing_pods_ended");
    web.returns_eventually("one_app.tasks.marks", r#"["one_app"]"#);
    assert!(ours.contains(&"older".to_owned()));
}
