//! FRAPPE_* variables, which Frappe prefers to all files: Kubernetes service links reach no child, a value that differs
//! from ours is refused before anything is created, and without our variables they are the settings.

use crate::stage::{self, DATABASE, SITE, served};
use crate::support::binary::Binary;
use crate::support::postgres::{PASSWORD, SUPERUSER};

/// The variables that Services named frappe-db, frappe-redis-queue and frappe-socketio add to every pod.
const LINKS: [(&str, &str); 6] = [
    ("FRAPPE_DB_PORT", "tcp://10.96.0.7:5432"),
    ("FRAPPE_DB_SERVICE_HOST", "10.96.0.7"),
    ("FRAPPE_REDIS_QUEUE_PORT", "tcp://10.96.0.8:6379"),
    ("FRAPPE_REDIS_QUEUE", "tcp://10.96.0.8:6379"),
    ("FRAPPE_REDIS_CACHE", "tcp://10.96.0.9:6379"),
    ("FRAPPE_SOCKETIO_PORT", "tcp://10.96.0.10:9000"),
];

fn with(binary: Binary, variables: &[(&str, &str)]) -> Binary {
    variables.iter().fold(binary, |binary, (name, value)| binary.set(name, value))
}

#[test]
fn a_service_link_reaches_no_child() {
    let stage = stage::empty();
    let linked = || with(stage.leader(), &LINKS);
    linked().run().exits(0);
    served(linked()).ping_and_stop();
    let children = with(stage.command("exec"), &LINKS).argument("--").argument("env").run().exits(0);
    for name in ["FRAPPE_DB_PORT=", "FRAPPE_REDIS_CACHE=", "FRAPPE_SOCKETIO_PORT="] {
        assert!(!children.stdout.contains(name), "{children}");
    }
    linked().with_command("doctor").run().exits(0).prints("FRAPPE_DB_PORT").prints("service link");
    // Any other program is run without the links too.
    let program = with(Binary::new(&["env"]), &LINKS).run().exits(0);
    assert!(!program.stdout.contains("FRAPPE_DB_PORT"), "{program}");
}

#[test]
fn another_server_than_ours_is_refused_before_anything_is_created() {
    let stage = stage::empty();
    let before = stage.snapshot();
    for (name, value) in [
        ("FRAPPE_DB_HOST", "other.example.com"),
        ("FRAPPE_DB_PORT", "1"),
        ("FRAPPE_DB_NAME", "other"),
        ("FRAPPE_REDIS_QUEUE", "redis://other.example.com:6379/1"),
        ("FRAPPE_REDIS_CACHE", "redis://:canary@127.0.0.1:1/0"),
        ("FRAPPE_SITE", "other.test"),
    ] {
        for command in ["bootstrap", "web", "doctor", "exec"] {
            let given = stage.leader().with_command(command).set(name, value);
            let given = if command == "exec" { given.argument("--").argument("true") } else { given };
            let ended = given.run().exits(78);
            assert!(ended.to_string().contains(name) && !ended.to_string().contains("canary"), "{ended}");
        }
    }
    stage.is_unchanged_since(&before);
}

/// As Frappe's own commands do it.
#[test]
fn the_default_site_of_the_bench_is_used_if_none_is_configured() {
    let stage = stage::empty();
    stage.bench.configure(serde_json::json!({"default_site": SITE}));
    stage.leader().unset("SITE_NAME").run().exits(0);
    stage.leader().run().exits(0).event("site.up_to_date");
    stage.bench.configure(serde_json::json!({"default_site": "../x"}));
    stage.leader().unset("SITE_NAME").run().exits(78).says("SITE_NAME (common_site_config.json)");
}

#[test]
fn without_our_variables_they_are_the_settings() {
    let stage = stage::empty();
    let (cache, queue, port) = (stage.redis.url(0), stage.redis.url(1), stage.postgres.port().to_string());
    let theirs = |binary: Binary| {
        let named = [
            ("FRAPPE_DB_HOST", stage.postgres.host()),
            ("FRAPPE_DB_PORT", &port),
            ("FRAPPE_DB_NAME", DATABASE),
            ("FRAPPE_REDIS_CACHE", &cache),
            ("FRAPPE_REDIS_QUEUE", &queue),
        ];
        with(binary, &named)
    };
    let ours = ["DB_HOST", "DB_PORT", "DB_NAME", "REDIS_CACHE", "REDIS_QUEUE"];
    let alone = theirs(
        ours.into_iter().fold(stage.with_login(SUPERUSER, PASSWORD), |binary, name| binary.unset(name)),
    );
    alone.clone().run().exits(0);
    assert_eq!(stage.bench.read_config("common_site_config.json")["db_host"], stage.postgres.host());
    // Both kinds of variables, with equal values.
    theirs(stage.leader()).run().exits(0).event("site.up_to_date");
    served(alone).ping_and_stop();
}

/// libpq and gunicorn read these in the children only: the site would be made on one server and used on another.
#[test]
fn variables_of_libpq_and_gunicorn_reach_no_child() {
    let stage = stage::empty();
    let foreign = [
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGSERVICE", "nowhere"),
        ("PGTARGETSESSIONATTRS", "read-only"),
        ("PGOPTIONS", "-c default_transaction_read_only=on"),
        ("GUNICORN_CMD_ARGS", "--daemon --bind 127.0.0.1:1"),
        ("WEB_CONCURRENCY", "313373"),
    ];
    let given = || with(stage.leader().set("CAULDRON_LOG_LEVEL", "info"), &foreign);
    let ended = given().run().exits(0).event("config.variable_dropped");
    for (name, value) in foreign {
        assert!(ended.stderr.contains(&format!("\"variable\":\"{name}\"")), "{name}: {ended}");
        assert!(!ended.stderr.contains(value), "{value}: {ended}");
    }
    served(given()).ping_and_stop();
    let exec = with(stage.command("exec"), &foreign).set("PGADMIN_LISTEN_PORT", "5050");
    let program = exec.argument("--").argument("env").run().exits(0);
    for (name, value) in foreign {
        assert!(!program.stdout.contains(&format!("{name}={value}")), "{program}");
    }
    // What we set ourselves stays, and so does what libpq does not read.
    assert!(
        program.stdout.contains("PGSSLMODE=") && program.stdout.contains("PGADMIN_LISTEN_PORT=5050"),
        "{program}"
    );
    with(stage.manifest("doctor"), &foreign).run().exits(0).prints("PGHOSTADDR").prints("not passed");
    // The control: the same variables break a plain psycopg2.
    let code = "import psycopg2, sys; psycopg2.connect(host=sys.argv[1], port=sys.argv[2], user='x')";
    let mut plain = stage.bench.program("env/bin/python");
    plain
        .args(["-c", code, stage.postgres.host(), &stage.postgres.port().to_string()])
        .env("PGSERVICE", "nowhere");
    let output = plain.output().expect("python runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere"), "{output:?}");
}
