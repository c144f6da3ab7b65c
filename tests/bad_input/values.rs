//! Invalid values of variables.

use crate::support::binary::Binary;
use crate::{new_stage, refuses};

/// The wrong values, and words that the error has to contain.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

const CASES: [Case; 49] = [
    (&[("SITE_NAME", "")], &["SITE_NAME", "erp.example.com"]),
    (&[("SITE_NAME", "../other")], &["SITE_NAME", "../other"]),
    (&[("SITE_NAME", "assets")], &["SITE_NAME"]),
    (&[("DB_PORT", "abc")], &["DB_PORT", "environment DB_PORT", "`abc`", "1 to 65535"]),
    (&[("DB_PORT", "0")], &["DB_PORT"]),
    (&[("DB_PORT", "65536")], &["DB_PORT"]),
    (&[("SOCKETIO_PORT", "abc")], &["SOCKETIO_PORT"]),
    (&[("CAULDRON_WEB_ADDR", "8000")], &["CAULDRON_WEB_ADDR", "0.0.0.0:8000"]),
    (&[("CAULDRON_HEALTH_ADDR", "abc")], &["CAULDRON_HEALTH_ADDR"]),
    (&[("DB_NAME", "postgres")], &["DB_NAME", "belongs to the server"]),
    (&[("DB_NAME", "template1")], &["DB_NAME", "belongs to the server"]),
    (&[("DB_NAME", "a\"; DROP")], &["DB_NAME", "plain"]),
    (&[("DB_TYPE", "mariadb")], &["DB_TYPE", "PostgreSQL only"]),
    (&[("DB_HOST", "")], &["DB_HOST", "--embedded"]),
    (&[("REDIS_QUEUE", "")], &["REDIS_QUEUE", "redis://"]),
    (&[("REDIS_QUEUE", ""), ("REDIS_CACHE", "")], &["set REDIS_QUEUE", "set REDIS_CACHE"]),
    (&[("REDIS_CACHE", "http://x")], &["REDIS_CACHE", "redis://"]),
    (&[("STANDARD_APPS", "erpnext:version-15hrms:version-15")], &["STANDARD_APPS", "erpnext:version-15hrms"]),
    (&[("CAULDRON_APPS", "[{\"nam\": \"erpnext\"}]")], &["CAULDRON_APPS", "nam"]),
    (&[("STANDARD_APPS", "hrms"), ("CUSTOM_APPS", "hrms:https://h/x.git")], &["`hrms` is listed twice"]),
    (&[("CAULDRON_GIT_AUTH", "{\"h\": {\"token\": \"x\"}}")], &["CAULDRON_GIT_AUTH", "token_file"]),
    (&[("ENCRYPTION_KEY", "short")], &["ENCRYPTION_KEY", "base64"]),
    (&[("CAULDRON_WAIT_TIMEOUT", "10")], &["CAULDRON_WAIT_TIMEOUT", "10s"]),
    (&[("GUNICORN_TIMEOUT", "-1")], &["GUNICORN_TIMEOUT", "write seconds, or"]),
    (&[("DB_HOST", "pg:5432")], &["DB_HOST", "it has a port after the host", "DB_PORT"]),
    (&[("DB_HOST", "\"pg\"")], &["DB_HOST", "quotes"]),
    (&[("DB_HOST", "host=pg port=5432")], &["DB_HOST", "white space"]),
    (
        &[("DB_HOST", "/run/postgresql/.s.PGSQL.5432")],
        &["DB_HOST", "it is a file", "the folder of its socket"],
    ),
    (
        &[("CAULDRON_DB_DIRECT_HOST", "/run/.s.PGSQL.1")],
        &["CAULDRON_DB_DIRECT_HOST", "the folder of its socket"],
    ),
    (
        &[("REDIS_CACHE", ""), ("REDIS_CACHE_HOST", "/run/r.sock")],
        &["REDIS_CACHE_HOST", "a path", "unix:///path"],
    ),
    (&[("CAULDRON_DB_DIRECT_HOST", "pg:5432")], &["CAULDRON_DB_DIRECT_HOST", "CAULDRON_DB_DIRECT_PORT"]),
    (&[("DB_PORT", "'5432'")], &["DB_PORT", "quotes"]),
    (&[("DB_USER", "\"postgres\"")], &["DB_USER", "quotes"]),
    (&[("CAULDRON_REQUEUE", "'a.b','c.d'")], &["CAULDRON_REQUEUE", "dotted names"]),
    (&[("CAULDRON_MAX_JOBS", "0")], &["CAULDRON_MAX_JOBS", "number from 1"]),
    (&[("REDIS_CACHE", "\"redis://r:6379\"")], &["REDIS_CACHE", "quotes"]),
    (&[("REDIS_CACHE", ""), ("REDIS_CACHE_HOST", "r:6379")], &["REDIS_CACHE_HOST", "a port", "REDIS_PORT"]),
    (&[("SITE_NAME", "\"erp.test\"")], &["SITE_NAME", "quotes"]),
    (&[("SOCKETIO", "\"socketio:9000\"")], &["SOCKETIO", "quotes"]),
    (&[("ADMIN_PASSWORD", "a\nb")], &["ADMIN_PASSWORD", "control character"]),
    (&[("DB_PASSWORD", "a\tb")], &["DB_PASSWORD", "control character"]),
    (&[("SITE_DB_PASSWORD", "\n")], &["SITE_DB_PASSWORD", "empty"]),
    (&[("ADMIN_PASSWORD", " ")], &["ADMIN_PASSWORD", "only blanks"]),
    (&[("CAULDRON_SITE_URL", "https://erp.test/?x=1")], &["CAULDRON_SITE_URL", "more than a scheme"]),
    (
        &[("CAULDRON_SITE_URL", "https://erp.test/app")],
        &["CAULDRON_SITE_URL", "write https://erp.example.com"],
    ),
    (&[("CAULDRON_POOL", ";")], &["CAULDRON_POOL", "names no pool", "short,default=2 long=1"]),
    (&[("CAULDRON_LOG_LEVEL", "loud")], &["CAULDRON_LOG_LEVEL", "write one of: info"]),
    (&[("DB_PASSWORD", ""), ("DB_PASSWORD_FILE", "s3cret")], &["DB_PASSWORD", "absolute path"]),
    (&[("CAULDRON_APPS", "W3sidXJsIjoiaHR0cHM6Ly9oL3guZ2l0In1d")], &["CAULDRON_APPS", "base64"]),
];

fn spoilt(binary: Binary, values: &[(&str, &str)]) -> Binary {
    values.iter().fold(binary, |binary, (name, value)| binary.set(name, value))
}

#[test]
fn each_error_names_its_variable() {
    let stage = new_stage();
    for (values, words) in CASES {
        refuses(&stage, 78, words, |binary| spoilt(binary, values));
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    let stage = new_stage();
    let words =
        ["DB_PORT", "SITE_NAME", "REDIS_CACHE", "STANDARD_APPS", "DB_PASSWORD_FILE", "CAULDRON_DRAIN"];
    refuses(&stage, 78, &words, |binary| {
        binary
            .unset("SITE_NAME")
            .set("DB_PORT", "abc")
            .set("REDIS_CACHE", "ftp://x")
            .set("STANDARD_APPS", "a b:c:d")
            .set("DB_PASSWORD_FILE", "/run/secrets/x")
            .set("CAULDRON_DRAIN", "soon")
    });
    // Each problem has its own line.
    let ended =
        stage.manifest("bootstrap").set("DB_PORT", "abc").set("CAULDRON_DRAIN", "soon").run().exits(78);
    assert_eq!(ended.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 2, "{ended}");
}

#[test]
fn a_value_and_its_file_together_are_an_error() {
    let stage = new_stage();
    for name in ["DB_PASSWORD", "ADMIN_PASSWORD", "DB_HOST", "REDIS_QUEUE"] {
        let file = format!("{name}_FILE");
        let both = format!("both {name} and {file} are set");
        refuses(&stage, 78, &[&both, "unset one"], |binary| binary.set(&file, "/dev/null"));
    }
}

/// Files with Windows line ends: every value ends with a carriage return.
#[test]
fn a_carriage_return_is_no_part_of_a_value() {
    let stage = new_stage();
    let ended = stage
        .manifest("bootstrap")
        .set("CAULDRON_HEALTH_ADDR", "off\r")
        .set("CAULDRON_INSTANCE", "a/b\r")
        .set("CAULDRON_APPS_UPDATE", " ")
        .set("CAULDRON_POOL", "\r")
        .set("CAULDRON_GRAC", "canary\r")
        .set("REDIS_SOCKETIO", "ftp://canary")
        .run()
        .exits(0)
        .event("config.redis_socketio_ignored")
        .event("config.unused")
        .says("set CAULDRON_GRACE if that was meant");
    assert!(!ended.to_string().contains("canary"), "{ended}");
    assert_eq!(stage.state("instance").as_deref(), Some("a/b"));
    assert!(!stage.bench.read_config("common_site_config.json").contains_key("redis_socketio"));
}
