//! A malformed login is refused at once, and no part of it is shown: not on stdout, on stderr, by
//! `--print-config` or by `doctor`.

use crate::support::binary::{Binary, Ended};
use crate::{BOTH, new_stage};

/// Malformed logins, each with the canary where a parser that splits the value wrongly would show it.
const CASES: [(&str, &str); 14] = [
    ("REDIS_CACHE", "redis://:ab@cd/canary@host:6379/0"),
    ("REDIS_QUEUE", "redis://:12?canary@host:6379/0"),
    ("REDIS_CACHE", "\"redis://:canary@host:6379/0\""),
    ("DB_HOST", "postgres://u:canary@h/db"),
    ("DB_HOST", "u:canary@h"),
    ("CAULDRON_DB_DIRECT_HOST", "postgres://u:canary@h/db"),
    ("DB_USER", "postgres://u:canary@h/db"),
    ("DB_PORT", "postgres://u:canary@h:5432/db"),
    ("CAULDRON_SITE_URL", "https://u:canary@erp.example.com"),
    ("SOCKETIO", "http://u:canary@socketio:9000"),
    ("CAULDRON_TRUSTED_PROXIES", "10.0.0.0/8, http://u:canary@proxy"),
    ("CAULDRON_APPS", r#"[{"url":"https://user:gl/canary@host/x.git"}]"#),
    ("CUSTOM_APPS", "a:https://user:gl/canary@host/x.git:main"),
    ("DB_PASSWORD_FILE", "canary"),
];

#[track_caller]
fn shows_nothing(ended: Ended) {
    assert!(!ended.to_string().contains("canary"), "{ended}");
}

fn spoilt(binary: Binary, name: &str, value: &str) -> Binary {
    let secret = name.strip_suffix("_FILE").unwrap_or("CAULDRON_APPS");
    binary.unset(secret).set(name, value)
}

#[test]
fn a_malformed_login_is_refused_and_shown_nowhere() {
    let stage = new_stage();
    for (name, value) in CASES {
        for command in BOTH {
            shows_nothing(spoilt(stage.manifest(command), name, value).run().exits(78));
        }
        shows_nothing(
            spoilt(stage.manifest("bootstrap"), name, value).argument("--print-config").run().exits(78),
        );
        shows_nothing(spoilt(stage.manifest("plan"), name, value).run().exits(78));
    }
    for (name, value) in [CASES[0], CASES[3], CASES[11]] {
        shows_nothing(spoilt(stage.manifest("doctor"), name, value).run().exits(78));
    }
    assert!(!stage.postgres.database_exists("frappe"));
}

/// White space around a value, as an editor or a shell leaves it, is ignored.
#[test]
fn white_space_around_a_value_is_ignored() {
    let stage = new_stage();
    let (host, cache) = (stage.postgres.host(), stage.redis.url(0));
    let given = stage.manifest("bootstrap").set("DB_HOST", format!(" {host}\r")).set("DB_TYPE", "postgres\r");
    given.set("REDIS_CACHE", format!("{cache}\r\n")).run().exits(0);
}
