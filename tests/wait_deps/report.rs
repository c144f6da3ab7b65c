//! The report: its structure, one object on stdout, and no secrets.

use std::process::Stdio;

use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::redis::{Options, Redis};
use crate::waiting::WaitDeps;

#[test]
fn stdout_is_one_object_of_the_documented_structure() {
    let postgres = Postgres::start();
    let redis = Redis::start_with(Options::default().password("canary"));
    let mut command = WaitDeps::new()
        .postgres(&postgres, SUPERUSER, PASSWORD)
        .set("DB_NAME", "erp")
        .set("REDIS_CACHE", redis.url(0))
        .set("REDIS_QUEUE", redis.url(1))
        // Frappe 15 and later do not read it.
        .set("REDIS_SOCKETIO", "redis://127.0.0.1:1/2")
        .command();
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let report: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
    assert_eq!(report["ok"], true);
    assert!(report["elapsed_ms"].is_u64());
    let dependencies = report["dependencies"].as_array().expect("a list");
    let names: Vec<_> = dependencies.iter().map(|d| d["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["postgres", "redis_cache", "redis_queue"]);
    for dependency in dependencies {
        let keys: Vec<_> = dependency.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(
            keys,
            [
                "name",
                "target",
                "state",
                "step",
                "attempts",
                "elapsed_ms",
                "error",
                "hint",
                "refusal",
                "warnings"
            ]
        );
        assert_eq!(dependency["state"], "ready");
        assert!(dependency["error"].is_null() && dependency["hint"].is_null());
        assert_eq!(dependency["warnings"], serde_json::json!([]));
    }
    let both = text + &String::from_utf8_lossy(&output.stderr);
    assert!(!both.contains("canary") && !both.contains(PASSWORD), "{both}");
}

#[test]
fn as_text_every_dependency_has_a_line_and_a_hint() {
    let redis = Redis::start();
    let mut command = WaitDeps::new()
        .set("DB_HOST", "127.0.0.1")
        .set("DB_PORT", crate::support::port::free().to_string())
        .set("REDIS_QUEUE", redis.url(1))
        .timeout("2s")
        .in_text()
        .command();
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(69));
    let text = String::from_utf8_lossy(&output.stdout);
    for expected in ["postgres     not yet", "tcp: 127.0.0.1:", "hint: ", "redis_queue  ready"] {
        assert!(text.contains(expected), "`{expected}` is not in: {text}");
    }
}

#[test]
fn without_any_configuration_it_fails() {
    let ended = WaitDeps::new().run().expect(78);
    assert!(ended.log.contains("DB_HOST"), "{}", ended.log);
}
