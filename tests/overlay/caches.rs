//! Cache entries of other pods hide an app no longer than those pods live.

use crate::stage::{LONG, OverlayStage, SITE};
use crate::support::made_app::MadeApp;
use crate::support::wait::eventually;

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
    // The older pod fills the caches from its own list, as it may at any time.
    let script = "import redis, pickle, sys; r = redis.from_url(sys.argv[1]); \
                  r.set('apps_test|all_apps', pickle.dumps(['frappe'])); r.delete('apps_test|app_hooks')";
    let mut python = stage.bench.program("env/bin/python");
    assert!(python.args(["-c", script, &redis.url(0)]).status().expect("python runs").success());
    assert_eq!(web.call("one_app.tasks.marks"), "[]", "the cache hides the app");
    redis.ask::<i64>(0, &["HDEL", &key, "older"]);
    web.pod.event("overlay.differing_pods_ended");
    web.returns_eventually("one_app.tasks.marks", r#"["one_app"]"#);
    assert!(ours.contains(&"older".to_owned()));
}
