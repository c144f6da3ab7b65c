//! `configure`: common_site_config.json is merged and written as a whole, or is not changed.

mod support;

#[path = "configure/common_keys.rs"]
mod common_keys;
#[path = "configure/mounts.rs"]
mod mounts;
#[path = "configure/writers.rs"]
mod writers;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use serde_json::{Value, json};
use support::bench::Bench;
use support::binary::Binary;
use support::ca::Ca;

/// `configure` without any value to write. It connects to no server.
fn configure(bench: &Bench) -> Binary {
    Binary::on(bench, &["configure"]).set("SITE_NAME", "erp.test")
}

fn file(bench: &Bench) -> std::path::PathBuf {
    bench.sites().join("common_site_config.json")
}

fn write(bench: &Bench, text: &str) {
    fs::write(file(bench), text).expect("common_site_config.json");
}

fn read(bench: &Bench) -> String {
    fs::read_to_string(file(bench)).expect("common_site_config.json")
}

#[test]
fn unknown_keys_are_kept_in_their_order() {
    let bench = Bench::sample();
    write(
        &bench,
        r#"{"zeta": 0.1, "db_host": "old", "webserver_port": 8000, "alpha": {"y": 1, "x": [null, true, 1.5e300]},
            "id": 18446744073709551615, "ü": "\u00e9\n", "developer_mode": 0}"#,
    );
    let before: Value = serde_json::from_str(&read(&bench)).expect("JSON");
    configure(&bench)
        .set("DB_HOST", "new")
        .set("DB_PORT", "5433")
        .set("REDIS_CACHE_HOST", "cache")
        .set("REDIS_QUEUE", "redis://:p%40ss@queue:6380/1")
        .set("SOCKETIO_PORT", "9000")
        .set("CAULDRON_SITE_URL", "https://erp.test")
        .run()
        .exits(0);
    let after = bench.read_config("common_site_config.json");
    let keys: Vec<&str> = after.keys().map(String::as_str).collect();
    let known = ["zeta", "db_host", "webserver_port", "alpha", "id", "ü", "developer_mode"];
    assert_eq!(keys[..known.len()], known);
    for key in ["zeta", "webserver_port", "alpha", "id", "ü", "developer_mode"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    for (key, value) in [
        ("db_type", json!("postgres")),
        ("db_host", json!("new")),
        ("db_port", json!(5433)),
        ("redis_cache", json!("redis://cache:6379/0")),
        ("redis_queue", json!("redis://:p%40ss@queue:6380/1")),
        ("socketio_port", json!(9000)),
        ("host_name", json!("https://erp.test")),
        ("default_site", json!("erp.test")),
    ] {
        assert_eq!(after[key], value, "{key}");
    }
}

#[test]
fn numbers_are_not_rounded() {
    let bench = Bench::sample();
    let exact = r#""big": 123456789012345678901234567890, "fine": 0.1000000000000000055511151231257827"#;
    write(&bench, &format!("{{{exact}}}"));
    configure(&bench).set("DB_HOST", "pg").run().exits(0);
    let text = read(&bench);
    for number in ["123456789012345678901234567890", "0.1000000000000000055511151231257827"] {
        assert!(text.contains(number), "{text}");
    }
}

#[test]
fn an_invalid_file_is_not_changed() {
    let bench = Bench::sample();
    for text in ["", "{", "{\"a\": 1,}", "[]", "null", "\u{feff}{}", "{\"a\": 1} x", "{'a': 1}"] {
        write(&bench, text);
        let inode = fs::metadata(file(&bench)).expect("the file").ino();
        let ended = configure(&bench).set("DB_HOST", "pg").run().exits(78);
        ended.says("common_site_config.json").says("left as it is");
        assert_eq!(read(&bench), text);
        assert_eq!(fs::metadata(file(&bench)).expect("the file").ino(), inode);
    }
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let bench = Bench::sample();
    let binary = configure(&bench).set("DB_HOST", "pg");
    binary.clone().run().exits(0);
    let state = || {
        let metadata = fs::metadata(file(&bench)).expect("the file");
        (metadata.ino(), metadata.mtime_nsec(), metadata.mtime(), read(&bench))
    };
    let before = state();
    binary.clone().run().exits(0);
    assert_eq!(state(), before);
    // Negative control: a difference is written.
    binary.set("DB_HOST", "pg2").run().exits(0);
    assert_ne!(state(), before);
}

#[test]
fn the_group_can_read_it_and_the_owner_stays() {
    let bench = Bench::sample();
    fs::remove_file(file(&bench)).expect("no file");
    configure(&bench).set("DB_HOST", "pg").run().exits(0);
    let mode = || fs::metadata(file(&bench)).expect("the file").permissions().mode() & 0o777;
    assert_eq!(mode(), 0o640, "a new one");
    fs::set_permissions(file(&bench), fs::Permissions::from_mode(0o604)).expect("chmod");
    chown(file(&bench), Some(4242), Some(4343)).expect("chown (these tests run as root)");
    configure(&bench).set("DB_HOST", "pg2").run().exits(0);
    let metadata = fs::metadata(file(&bench)).expect("the file");
    assert_eq!((metadata.uid(), metadata.gid(), mode()), (4242, 4343, 0o644));
}

#[test]
fn without_the_right_to_keep_the_owner_the_group_is_kept() {
    let bench = Bench::sample();
    fs::set_permissions(file(&bench), fs::Permissions::from_mode(0o640)).expect("chmod");
    chown(file(&bench), Some(0), Some(4343)).expect("chown");
    chown(bench.sites(), Some(4242), Some(4242)).expect("chown");
    let user = ["setpriv", "--reuid=4242", "--regid=4242", "--groups=4343", "--"];
    configure(&bench).set("DB_HOST", "pg").under(&user).run().exits(0);
    let metadata = fs::metadata(file(&bench)).expect("the file");
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (4242, 4343, 0o640));
}

#[test]
fn a_link_stays_a_link() {
    let bench = Bench::sample();
    let target = bench.path().join("config/common.json");
    fs::rename(file(&bench), &target).expect("a file elsewhere");
    symlink("../config/common.json", file(&bench)).expect("a link");
    configure(&bench).set("DB_HOST", "pg").run().exits(0);
    assert!(fs::symlink_metadata(file(&bench)).expect("the link").is_symlink());
    assert!(fs::read_to_string(target).expect("the target").contains("\"pg\""));
}

#[test]
fn an_existing_default_site_is_not_changed() {
    let bench = Bench::sample();
    bench.configure(json!({ "default_site": "other.test" }));
    configure(&bench).set("DB_HOST", "pg").run().exits(0);
    assert_eq!(bench.read_config("common_site_config.json")["default_site"], "other.test");
}

#[test]
fn only_configured_values_are_written_and_never_the_web_port() {
    let bench = Bench::sample();
    configure(&bench).set("CAULDRON_WEB_ADDR", "127.0.0.1:8080").run().exits(0);
    let config = bench.read_config("common_site_config.json");
    let keys: Vec<&str> = config.keys().map(String::as_str).collect();
    assert_eq!(keys, ["db_type", "default_site"]);
}

#[test]
fn python_finds_the_ca_of_redis_in_its_url() {
    let (bench, ca) = (Bench::sample(), Ca::new());
    configure(&bench)
        .set("REDIS_CACHE", "rediss://cache:6380/0")
        .set("REDIS_QUEUE", "redis://queue:6379/1")
        .set("REDIS_TLS_CA", ca.root().display())
        .run()
        .exits(0);
    let config = bench.read_config("common_site_config.json");
    let url = url::Url::parse(config["redis_cache"].as_str().expect("a URL")).expect("a URL");
    let pair = url.query_pairs().next().expect("a query");
    assert_eq!((&*pair.0, &*pair.1), ("ssl_ca_certs", ca.root().to_str().expect("a path")));
    assert_eq!(config["redis_queue"], "redis://queue:6379/1");
}

#[test]
fn a_json_log_line_has_each_key_once() {
    let bench = Bench::sample();
    let redis = "redis://redis:6379/0";
    let configured = configure(&bench).set("REDIS_CACHE", redis).set("REDIS_QUEUE", redis).run().exits(0);
    let ended = configured.event("config.redis_database_shared");
    for line in ended.stderr.lines() {
        let event: serde_json::Map<String, Value> = serde_json::from_str(line).expect("JSON");
        for key in event.keys() {
            assert_eq!(line.matches(&format!("{key:?}:")).count(), 1, "{key}: {line}");
        }
    }
}

/// An existing manifest's own command, with our option before or after it.
#[test]
fn an_older_command_prints_the_configuration_of_its_role() {
    let bench = Bench::sample();
    let runtime = tempfile::tempdir().expect("a folder");
    for (command, role) in [
        ("--print-config bench schedule", "scheduler --print-config"),
        ("bench schedule --print-config", "scheduler --print-config"),
        ("--db-host pg bench start --print-config", "web --db-host pg --print-config"),
        ("bench worker --queue long --print-config", "worker --worker-queues long --print-config"),
    ] {
        let printed = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let binary = Binary::on(&bench, &words).set("SITE_NAME", "erp.test").set("DB_HOST", "db");
            let binary = binary.set("REDIS_CACHE", "redis://c:6379/0").set("REDIS_QUEUE", "redis://q:6379/1");
            binary.set("CAULDRON_RUNTIME_DIR", runtime.path().display()).run().exits(0).stdout
        };
        let shown = printed(command);
        assert!(shown.contains("erp.test"), "{command}: {shown}");
        assert_eq!(shown, printed(role), "{command}");
    }
    // Any other program gets its own options, and our option before it is an error.
    let printing = Binary::new(&["sh", "-c", "echo \"$1\"", "sh", "--print-config"]).run().exits(0);
    assert_eq!(printing.stdout, "--print-config\n");
    Binary::new(&["--print-config", "sh", "-c", "exit 5"]).run().exits(64);
}
