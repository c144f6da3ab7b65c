//! Servers that reject the login, and ports that are in use.

use std::net::TcpListener;

use crate::support::binary::Binary;
use crate::support::ca::Ca;
use crate::support::postgres::{Options, Postgres};
use crate::support::redis::{self, Redis};
use crate::support::stage::Stage;
use crate::{new_stage, refuses};

#[test]
fn a_wrong_password() {
    let stage = new_stage();
    let words = ["password authentication failed", "DB_PASSWORD"];
    refuses(&stage, 77, &words, |binary| binary.set("DB_PASSWORD", "wrong"));
}

#[test]
fn a_login_without_the_right_to_create() {
    let stage = new_stage();
    stage.postgres.run("postgres", "CREATE ROLE app LOGIN PASSWORD 'app'");
    let words = ["ALTER ROLE \"app\" CREATEROLE CREATEDB", "DB_USER=frappe"];
    refuses(&stage, 77, &words, |binary| binary.set("DB_USER", "app").set("DB_PASSWORD", "app"));
}

#[test]
fn an_unknown_ca() {
    let ca = Ca::new();
    let postgres = Postgres::start_with(|home| Options::default().tls(&ca, home));
    let stage = Stage { postgres, ..new_stage() };
    let other = Ca::new();
    let words = ["certificate", "DB_SSLROOTCERT"];
    refuses(&stage, 78, &words, |binary| {
        binary.set("DB_SSLMODE", "verify-full").set("DB_SSLROOTCERT", other.root().display())
    });
    // Control: with the right CA the connection works.
    stage
        .manifest("bootstrap")
        .set("DB_SSLMODE", "verify-full")
        .set("DB_SSLROOTCERT", ca.root().display())
        .run()
        .exits(0);
}

#[test]
fn a_redis_that_requires_a_password() {
    let redis = Redis::start_with(redis::Options::default().password("secret"));
    let stage = Stage { redis, ..new_stage() };
    let without = format!("redis://127.0.0.1:{}/1", stage.redis.port());
    let wrong = format!("redis://:canary@127.0.0.1:{}/1", stage.redis.port());
    for url in [without, wrong] {
        refuses(&stage, 77, &["REDIS_QUEUE", "password"], |binary| binary.set("REDIS_QUEUE", &url));
    }
    let ended = stage.manifest("bootstrap").set("REDIS_QUEUE", "redis://:canary@127.0.0.1:1/1");
    let ended = ended.set("CAULDRON_WAIT_TIMEOUT", "200ms").run().exits(69);
    assert!(!ended.to_string().contains("canary"), "{ended}");
    stage.manifest("bootstrap").run().exits(0);
}

#[test]
fn a_port_that_is_in_use() {
    let stage = new_stage();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    refuses(&stage, 78, &["CAULDRON_HEALTH_ADDR", &address], |b| b.set("CAULDRON_HEALTH_ADDR", &address));
    let before = stage.postgres.database_exists("frappe");
    let web = stage.manifest("web").set("CAULDRON_WEB_ADDR", &address);
    crate::check(&web.run().exits(78), &["CAULDRON_WEB_ADDR", &address]);
    assert_eq!(stage.postgres.database_exists("frappe"), before);
}

/// Parameters that Python, node and our client do not all honour.
#[test]
fn a_parameter_of_a_redis_url_that_not_all_programs_honour() {
    let stage = new_stage();
    let before = stage.snapshot();
    let absent = "/absent/canary.pem";
    for (parameters, words) in [
        ("ssl=true", "REDIS_QUEUE): Frappe's programs cannot all use its parameter ssl: write rediss://"),
        ("protocol=3", "parameter protocol: remove it"),
        ("ssl_cert_reqs=none", "parameter ssl_cert_reqs"),
        ("socket_timeout=canary", "parameter socket_timeout"),
        ("password=a&canary", "parameter number 2"),
    ] {
        let url = format!("{}?{parameters}", stage.redis.url(1));
        let ended = stage.manifest("bootstrap").set("REDIS_QUEUE", &url).run().exits(78).says(words);
        assert!(!ended.to_string().contains("canary"), "{ended}");
        stage.manifest("doctor").set("REDIS_QUEUE", url).run().exits(78).prints("REDIS_QUEUE");
    }
    for parameters in
        ["ssl_cert_reqs=none".into(), format!("ssl_keyfile={absent}"), format!("ssl_ca_certs={absent}")]
    {
        let url = format!("rediss://127.0.0.1:{}/1?{parameters}", stage.redis.port());
        let name = parameters.split('=').next().expect("a name");
        stage.manifest("bootstrap").set("REDIS_QUEUE", url).run().exits(78).says(name);
    }
    stage.is_unchanged_since(&before);
}

/// Before, role and database were made, and the site never was.
#[test]
fn a_redis_that_takes_no_writes() {
    let full = Redis::start_with(redis::Options::default().setting("maxmemory 1kb"));
    let stage = Stage { redis: full, ..new_stage() }.set("CAULDRON_WAIT_TIMEOUT", "1s");
    refuses(&stage, 69, &["redis_cache", "redis_queue", "maxmemory"], |binary| binary);
    let _: String = stage.redis.ask(0, &["CONFIG", "SET", "maxmemory", "0"]);
    stage.created();
}

fn with_owner() -> Stage {
    let stage = new_stage().set("CAULDRON_WAIT_TIMEOUT", "1s");
    stage.postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'own'");
    stage.postgres.run("postgres", "CREATE DATABASE frappe OWNER frappe");
    stage
}

/// Settings of the role and the database that every session inherits.
#[test]
fn a_database_that_is_read_only_by_a_setting() {
    let stage = with_owner();
    stage.postgres.run("postgres", "ALTER DATABASE frappe SET default_transaction_read_only = on");
    let words = ["default_transaction_read_only", "RESET"];
    refuses(&stage, 69, &words, |binary| binary.set("DB_USER", "frappe").set("DB_PASSWORD", "own"));
    stage.postgres.run("postgres", "ALTER DATABASE frappe RESET default_transaction_read_only");
    stage.with_login("frappe", "own").run().exits(0);
    // A site that exists and an administrator's login, whose own database is writable.
    stage.postgres.run("postgres", "ALTER ROLE frappe SET default_transaction_read_only = on");
    refuses(&stage, 69, &words, |binary| binary.set("SITE_DB_PASSWORD", "own"));
}

#[test]
fn a_search_path_without_schema_public() {
    for path in ["''", "pg_catalog", "app"] {
        let stage = with_owner();
        stage.postgres.run("postgres", &format!("ALTER ROLE frappe SET search_path = {path}"));
        let owner = |binary: Binary| binary.set("DB_USER", "frappe").set("DB_PASSWORD", "own");
        let before = stage.bench.read_config("common_site_config.json");
        for command in crate::BOTH {
            let ended = owner(stage.manifest(command)).run().exits(78).refuses("other-schema");
            crate::check(&ended, &["schema public", "SET search_path = public"]);
        }
        assert_eq!(stage.bench.read_config("common_site_config.json"), before);
        assert!(!stage.file("site_config.json").exists(), "half a site");
        stage.postgres.run("postgres", "ALTER ROLE frappe IN DATABASE frappe SET search_path = public");
        owner(stage.leader()).run().exits(0);
    }
}
