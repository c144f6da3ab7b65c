//! Servers that reject the login, and ports that are in use.

use std::net::TcpListener;

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
