//! Keys of Frappe's files with which Frappe could not work.

use std::fs;

use serde_json::json;

use crate::{SITE, new_stage, refuses};

#[test]
fn keys_that_cannot_work_are_refused_before_anything_is_made() {
    let stage = new_stage();
    for (keys, words) in [
        // Python would connect to port 5432 of DB_HOST, and psql to the socket.
        (
            json!({"db_socket": "/run/postgresql"}),
            ["db_socket (common_site_config.json)", "psql and pg_dump"],
        ),
        (
            json!({"rate_limit": {"limit": 600}}),
            ["rate_limit (common_site_config.json)", "every request would fail"],
        ),
        (json!({"rate_limit": "600"}), ["rate_limit (common_site_config.json)", "every request would fail"]),
        (json!({"host_name": 5}), ["host_name (common_site_config.json)", "every link"]),
        (json!({"scheduler_tick_interval": -1}), ["scheduler_tick_interval", "the scheduler would end"]),
    ] {
        fs::write(stage.bench.sites().join("common_site_config.json"), keys.to_string()).expect("a file");
        refuses(&stage, 78, &words, |binary| binary);
    }
    fs::write(stage.bench.sites().join("common_site_config.json"), "{}").expect("a file");
    fs::create_dir(stage.bench.sites().join(SITE)).expect("a site");
    let own = json!({"db_name": "frappe", "db_password": "x", "db_socket": "/run/postgresql"});
    fs::write(stage.file("site_config.json"), own.to_string()).expect("a file");
    refuses(&stage, 78, &["db_socket (site_config.json)", "psql and pg_dump"], |binary| binary);
}

/// A list that would break the next start is refused before the file has it, and each key with a setting by its name.
#[test]
fn given_keys_that_cannot_work_are_refused_before_anything_is_made() {
    let stage = new_stage();
    for (keys, words) in [
        (json!({"db_host": "x", "a": 1}), ["db_host cannot be set here", "use DB_HOST"]),
        (json!({"maintenance_mode": 1}), ["maintenance_mode cannot be set here", "the command"]),
        (
            json!({"rate_limit": {"limit": 600}}),
            ["(CAULDRON_COMMON_SITE_CONFIG)", "every request would fail"],
        ),
        (
            json!({"scheduler_tick_interval": -1}),
            ["(CAULDRON_COMMON_SITE_CONFIG)", "the scheduler would end"],
        ),
        (json!(["a"]), ["not a JSON object of keys", "write a JSON object"]),
    ] {
        refuses(&stage, 78, &words, |binary| binary.set("CAULDRON_COMMON_SITE_CONFIG", &keys));
    }
}

/// Python, node and this program read the same JSON: what one of them refuses is refused here.
#[test]
fn json_that_some_child_cannot_read() {
    let stage = new_stage();
    for (text, cause) in [
        ("\u{feff}{}", "byte order mark"),
        ("{\"limit\": NaN}", "invalid JSON"),
        ("{\"limit\": 1,}", "invalid JSON"),
        ("{\"limit\": 1} {}", "invalid JSON"),
    ] {
        fs::write(stage.bench.sites().join("common_site_config.json"), text).expect("a file");
        refuses(&stage, 78, &["common_site_config.json", cause, "left as it is"], |binary| binary);
    }
    // Of two values the last counts for all of them.
    let twice = r#"{"db_type": "mariadb", "db_type": "postgres"}"#;
    fs::write(stage.bench.sites().join("common_site_config.json"), twice).expect("a file");
    stage.created();
}
