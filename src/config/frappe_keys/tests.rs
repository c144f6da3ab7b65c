use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::config::reader::Reader;
use crate::config::{Needs, load};

/// What is said about a start with these files: problems as `key (file): refused`, and the names of the warning.
fn said(common: &Value, site: &Value, environment: &[(&str, &str)], frappe_major: u32) -> Vec<String> {
    let bench = tempfile::tempdir().unwrap();
    let sites = bench.path().join("sites");
    let code = bench.path().join("apps/frappe/frappe");
    for folder in [sites.join("s.local"), code.clone()] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(code.join("__init__.py"), format!("__version__ = \"{frappe_major}.1.0\"\n")).unwrap();
    std::fs::write(sites.join(COMMON), common.to_string()).unwrap();
    std::fs::write(sites.join("s.local").join(SITE), site.to_string()).unwrap();
    let path = bench.path().display().to_string();
    let mut all = BTreeMap::from([
        ("CAULDRON_BENCH", path.as_str()),
        ("SITE_NAME", "s.local"),
        ("DB_HOST", "pg"),
        ("DB_PORT", "5432"),
        ("REDIS_CACHE", "redis://r/0"),
        ("REDIS_QUEUE", "redis://:canary@r/1"),
    ]);
    all.extend(environment.iter().copied());
    let flags = BTreeMap::new();
    let mut reader = Reader::new(&flags, &all);
    let _ = load(&mut reader, Needs { bench: false, ..Needs::SERVERS }, false);
    let text = format!("{:?} {:?}", reader.problems, reader.unused_keys);
    assert!(!text.contains("canary"), "{text}");
    let refused = reader.problems.iter().map(|problem| match &problem.source {
        Some(source) => format!("{} ({source}): refused", problem.variable),
        None => format!("{}: refused", problem.variable),
    });
    refused.chain(reader.unused_keys.iter().map(|key| key.name.clone())).collect()
}

/// A key with a value in one file, of an existing site of Frappe 15.
fn of(file: &str, key: &str, value: &Value) -> Vec<String> {
    let own = json!({"db_name": "erp", "db_password": "canary"});
    let mut site = own.clone();
    if file == COMMON {
        return said(&json!({key: value}), &own, &[], 15);
    }
    site[key] = value.clone();
    said(&json!({}), &site, &[], 15)
}

const NOTHING: [&str; 0] = [];

/// For every row: values that are used, or are Frappe's own affair, and values that are named or refused.
#[test]
fn the_claim_of_every_row() {
    let cases: [(&str, &str, &[&str], &[&str]); 45] = [
        // Key, file, JSON that is silently right, JSON that is named in the warning.
        ("default_site", COMMON, &[r#""s.local""#, r#""other.local""#], &[]),
        ("default_site", SITE, &["null"], &[r#""s.local""#]),
        ("db_type", SITE, &[r#""postgres""#], &[]),
        ("db_host", COMMON, &[r#""other""#, r#""""#], &[]),
        // Another server is refused later (65); what is none is not used.
        ("db_host", SITE, &[r#""pg""#, r#""PG""#, r#""other""#], &[r#""""#, "null", "5", "true"]),
        (
            "db_port",
            SITE,
            &["5432", r#""5432""#, "5433"],
            &["null", "0", "true", "5432.5", r#""x""#, r#"" 5432""#],
        ),
        ("db_name", COMMON, &["null"], &[r#""erp""#]),
        ("db_user", COMMON, &["null"], &[r#""erp""#]),
        ("db_password", COMMON, &["null"], &[r#""canary""#]),
        ("redis_cache", COMMON, &[r#""redis://x""#, "5", "null"], &[]),
        (
            "redis_cache",
            SITE,
            &[r#""redis://r""#, r#""redis://r:6379/0""#],
            &[r#""redis://r/2""#, r#""canary""#, "null"],
        ),
        (
            "redis_queue",
            SITE,
            &[r#""redis://:canary@r:6379/1""#],
            &[r#""redis://r/1""#, r#""redis://:canary@other/1""#, "5", "{}", "false"],
        ),
        // Named by config.redis_socketio_ignored.
        ("redis_socketio", COMMON, &[r#""redis://x""#], &[]),
        ("redis_cache_sentinel_enabled", COMMON, &["0", "false"], &["1", "true", r#""0""#]),
        ("redis_queue_sentinel_enabled", SITE, &["0", "null"], &["1", "true"]),
        ("use_rq_auth", COMMON, &["false"], &["true", "1"]),
        (
            "socketio_port",
            COMMON,
            &["9010", r#""9010""#, r#"" 9010 ""#, "0", "null", r#""""#],
            &["90100", r#""x""#, "9010.5", "true", "[1]"],
        ),
        ("socketio_port", SITE, &["0"], &["9010"]),
        ("socketio_uds", COMMON, &["null", r#""""#], &[r#""/run/socketio.sock""#]),
        ("socketio_uds", SITE, &["null"], &[r#""/run/socketio.sock""#]),
        (
            "socketio_backend",
            COMMON,
            &[r#""node""#, "null", r#""""#],
            &[r#""python""#, r#""python-embedded""#, "true"],
        ),
        ("socketio_backend", SITE, &["null"], &[r#""python""#]),
        ("host_name", COMMON, &[r#""erp.test""#, r#""https://erp.test/""#, "null", r#""""#], &[]),
        ("host_name", SITE, &[r#""erp.test""#, r#""https://erp.test/""#, "null"], &[]),
        ("hostname", COMMON, &[r#""erp.test""#], &[]),
        ("webserver_port", COMMON, &["0", "null"], &["8000", r#""8000""#]),
        ("webserver_port", SITE, &["0"], &["8000"]),
        ("http_port", COMMON, &["0"], &["80"]),
        ("encryption_key", COMMON, &[r#""canary""#], &[]),
        (
            "maintenance_mode",
            SITE,
            &["0", "1", "true", "false", r#""1""#, "null"],
            &[r#""0""#, r#""false""#, r#""off""#],
        ),
        ("allow_reads_during_maintenance", COMMON, &["1"], &[r#""0""#]),
        ("pause_scheduler", COMMON, &["1", r#""1""#], &[r#""0""#, r#""False""#]),
        ("disable_scheduler", SITE, &["1"], &[r#""no""#]),
        ("developer_mode", COMMON, &["0"], &[r#""0""#]),
        // By `cint`: the text is off.
        ("mute_emails", SITE, &["0", r#""0""#, "1"], &[]),
        ("scheduler_tick_interval", COMMON, &["60", r#""60""#, "60.5", "0", "null"], &[r#""often""#, "[60]"]),
        ("domains", SITE, &[r#"["erp.test"]"#], &[]),
        ("domains", COMMON, &["[]"], &[r#"["erp.test"]"#]),
        ("bench_id", COMMON, &[r#""a""#], &[]),
        ("workers", COMMON, &[r#"{"mails": {}}"#], &[]),
        ("workers", SITE, &["{}"], &[r#"{"mails": {}}"#]),
        (
            "rate_limit",
            COMMON,
            &[r#"{"limit": 600, "window": 3600}"#, r#"{"limit": 0.5, "window": 60}"#, "null", "{}", "0"],
            &[],
        ),
        ("gunicorn_workers", COMMON, &["0"], &["4"]),
        ("background_workers", COMMON, &["null"], &["1"]),
        ("extra_config", SITE, &["[]", r#""""#], &[r#""app.config""#, r#"["app.config"]"#]),
    ];
    for (key, file, right, named) in cases {
        let parse = |text: &&str| serde_json::from_str::<Value>(text).unwrap();
        for value in right.iter().map(parse) {
            assert_eq!(of(file, key, &value), NOTHING, "{key} in {file}: {value}");
        }
        for value in named.iter().map(parse) {
            assert_eq!(of(file, key, &value), [format!("{key} ({file})")], "{value}");
        }
    }
    let elsewhere = ["db_socket"];
    let without: Vec<&str> =
        KEYS.iter().map(|key| key.name).filter(|name| !cases.iter().any(|c| c.0 == *name)).collect();
    assert_eq!(without, elsewhere, "a row without a case");
}

#[test]
fn what_cannot_work_is_refused() {
    let cases: [(&str, &str, &[&str]); 8] = [
        ("db_type", COMMON, &[r#""mariadb""#]),
        ("db_type", SITE, &[r#""mariadb""#, "5"]),
        ("host_name", SITE, &["5", r#"["erp.test"]"#]),
        ("host_name", COMMON, &["true"]),
        ("scheduler_tick_interval", COMMON, &["-1", r#""-5""#]),
        ("rate_limit", SITE, &["5", r#""x""#, "[1]", r#"{"limit": 1}"#, r#"{"limit": "1", "window": 60}"#]),
        ("rate_limit", COMMON, &[r#"{"limit": 1, "window": 0}"#, r#"{"limit": 1, "window": 60.5}"#]),
        ("workers", COMMON, &["5", r#"{"q": {"timeout": "soon"}}"#]),
    ];
    for (key, file, refused) in cases {
        let shown = if key == "db_type" { "DB_TYPE" } else { key };
        for value in refused.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()) {
            assert_eq!(of(file, key, &value), [format!("{shown} ({file}): refused")], "{value}");
        }
    }
    // The site's own value hides the other, as in Frappe.
    let own = json!({"db_name": "erp", "rate_limit": null, "host_name": "erp.test"});
    assert_eq!(said(&json!({"rate_limit": 5, "host_name": 5}), &own, &[], 15), NOTHING);
}

/// Python connects to port 5432 of DB_HOST, psql and pg_dump to the socket.
#[test]
fn a_socket_is_refused_where_the_site_could_not_be_made_or_served() {
    let (socket, exists, new) = (json!({"db_socket": "/run/pg"}), json!({"db_name": "erp"}), json!({}));
    let (warned, refused) =
        (["db_socket (common_site_config.json)"], ["db_socket (common_site_config.json): refused"]);
    assert_eq!(said(&socket, &exists, &[], 15), warned);
    assert_eq!(said(&socket, &exists, &[("DB_PORT", "6432")], 16), refused);
    assert_eq!(said(&socket, &new, &[], 15), refused);
    assert_eq!(said(&socket, &new, &[("DB_HOST", "/run/pg")], 15), warned);
    let own = json!({"db_name": "erp", "db_socket": "/run/pg"});
    assert_eq!(said(&json!({}), &own, &[("DB_PORT", "6432")], 15), ["db_socket (site_config.json): refused"]);
    for empty in [json!(null), json!("")] {
        let own = json!({"db_name": "erp", "db_socket": empty});
        assert_eq!(said(&socket, &own, &[("DB_PORT", "6432")], 15), NOTHING);
    }
}

#[test]
fn a_role_of_the_bench_is_refused_where_frappe_would_use_it() {
    let role = json!({"db_user": "bench"});
    let refused = ["db_user (common_site_config.json): refused"];
    assert_eq!(said(&role, &json!({"db_name": "erp"}), &[], 16), refused);
    for (site, major) in [
        (json!({"db_name": "erp"}), 15),
        (json!({"db_name": "erp", "db_user": "own"}), 16),
        (json!({"db_name": "bench"}), 16),
        (json!({}), 16),
    ] {
        assert_eq!(said(&role, &site, &[], major), ["db_user (common_site_config.json)"], "{site}");
    }
}

#[test]
fn settings_that_a_file_hides_or_contradicts() {
    let own = json!({"db_name": "erp", "host_name": "https://erp.test"});
    let url = |url| said(&json!({}), &own, &[("CAULDRON_SITE_URL", url)], 15);
    assert_eq!(url("https://erp.test/"), NOTHING);
    assert_eq!(url("https://www.erp.test"), ["host_name (site_config.json)"]);
    let (bench_key, other) = ("A".repeat(43) + "=", "B".repeat(43) + "=");
    let common = json!({"encryption_key": bench_key});
    let with_key = |site: Value, key: &str| said(&common, &site, &[("ENCRYPTION_KEY", key)], 15);
    assert_eq!(with_key(json!({"db_name": "erp"}), &bench_key), NOTHING);
    assert_eq!(
        with_key(json!({"db_name": "erp"}), &other),
        ["encryption_key (common_site_config.json): refused"]
    );
    assert_eq!(with_key(json!({"db_name": "erp", "encryption_key": other}), &other), NOTHING);
    assert_eq!(with_key(json!({}), &other), NOTHING);
    // The leader writes the setting over it.
    let port = json!({"socketio_port": "x"});
    assert_eq!(said(&port, &json!({}), &[("SOCKETIO_PORT", "9010")], 15), NOTHING);
}

#[test]
fn the_port_in_links_is_named_if_frappe_appends_it() {
    for (common, major, named) in [
        (json!({"webserver_port": 8000}), 15, true),
        (json!({"webserver_port": 8000}), 16, false),
        (json!({"webserver_port": 8000, "developer_mode": 1}), 16, true),
        (json!({"webserver_port": 8000, "restart_supervisor_on_update": true}), 15, false),
        (json!({"http_port": 80, "restart_systemd_on_update": 1}), 16, false),
        (json!({"http_port": 80}), 16, true),
    ] {
        assert_eq!(said(&common, &json!({}), &[], major).len(), usize::from(named), "{common}");
    }
}

#[test]
fn variables_that_every_reader_of_a_key_reads() {
    for (key, major, variable) in [
        ("default_site", 14, Some("FRAPPE_SITE")),
        ("db_host", 14, None),
        ("db_host", 15, Some("FRAPPE_DB_HOST")),
        ("db_user", 15, None),
        ("db_user", 16, Some("FRAPPE_DB_USER")),
        ("socketio_port", 16, None),
        ("host_name", 16, None),
        ("of_an_app", 16, None),
    ] {
        assert_eq!(override_of(key, Some(major)), variable, "{key}");
    }
}
