//! Bad input gives one line with the cause and its variable, a hint, a documented exit code, and changes nothing.

mod support;

#[path = "bad_input/canaries.rs"]
mod canaries;
#[path = "bad_input/files.rs"]
mod files;
#[path = "bad_input/keys.rs"]
mod keys;
#[path = "bad_input/logins.rs"]
mod logins;
#[path = "bad_input/servers.rs"]
mod servers;
#[path = "bad_input/values.rs"]
mod values;

use support::binary::{Binary, Ended};
use support::port;
use support::stage::Stage;

const SITE: &str = "erp.test";
/// Commands that would create the site if their input were good.
const BOTH: [&str; 2] = ["bootstrap", "web"];

/// A stage whose manifest is correct.
fn new_stage() -> Stage {
    Stage::new(SITE, "frappe")
        .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{}", port::free()))
        .set("CAULDRON_WAIT_TIMEOUT", "20s")
}

/// Asserts that both commands exit with `code`, write each of `words` to stderr, and change nothing.
#[track_caller]
fn refuses(stage: &Stage, code: i32, words: &[&str], spoil: impl Fn(Binary) -> Binary) {
    let before = (stage.snapshot(), keys(stage));
    for command in BOTH {
        check(&spoil(stage.manifest(command)).run().exits(code), words);
    }
    stage.is_unchanged_since(&before.0);
    assert_eq!(before.1, keys(stage), "keys in Redis");
}

fn keys(stage: &Stage) -> Vec<i64> {
    [0, 1].map(|database| stage.redis.ask(database, &["DBSIZE"])).to_vec()
}

/// Asserts that stderr has an error with each of the words, a hint, and no panic.
#[track_caller]
fn check(ended: &Ended, words: &[&str]) {
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(!errors.is_empty(), "no error:\n{ended}");
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is missing:\n{ended}");
    }
    let has_hint = ended.stderr.contains("hint: ") || errors.iter().all(|error| error.contains("; "));
    assert!(has_hint, "no hint:\n{ended}");
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

/// The control of every test here: the correct manifest creates the site.
#[test]
fn the_good_manifest_works() {
    new_stage().created();
}
