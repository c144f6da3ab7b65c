//! Redis URLs with parameters, as redis-py reads them: each works in Python, in node and in our client.

use crate::generations::on_each_generation;
use crate::stage::{RolesStage, SITE};
use crate::support::binary::Binary;
use crate::support::ca::Ca;
use crate::support::redis::{Options, Redis};
use crate::support::stage::ready;
use crate::support::{http, port};
use crate::worker::worker;

const PASSWORD: &str = "p%41 /s";
/// As redis-py decodes it.
const AS_PARAMETER: &str = "p%252541%20%2Fs";

on_each_generation![
    login_and_database_as_parameters,
    a_unix_socket_with_a_password,
    a_ca_as_parameter_or_in_openssls_variable,
];

fn with_password(stage: RolesStage) -> RolesStage {
    RolesStage { redis: Redis::start_with(Options::default().password(PASSWORD)), ..stage }
}

/// Starts worker, web and socketio, and waits until each has used Redis.
#[track_caller]
fn all_roles_work(stage: &RolesStage, with_urls: impl Fn(Binary) -> Binary) {
    drop(ready(with_urls(worker(stage))));
    drop(ready(with_urls(stage.command("socketio").set("SOCKETIO_PORT", port::free()))));
    let port = port::free();
    let web = stage.command("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}"));
    let _web = ready(with_urls(web.set("CAULDRON_BOOTSTRAP", "follow").set("GUNICORN_WORKERS", 1)));
    if !stage.bench().is_real() {
        let queue = "/api/method/frappe.sample.queue?path=/dev/null";
        assert_eq!(http::status(port, SITE, queue), 200);
    }
}

fn login_and_database_as_parameters(stage: RolesStage) {
    let stage = with_password(stage);
    let url = |database: u8| {
        format!(
            "redis://127.0.0.1:{}?db={database}&password={AS_PARAMETER}&socket_timeout=30",
            stage.redis.port()
        )
    };
    all_roles_work(&stage, |binary| binary.set("REDIS_CACHE", url(0)).set("REDIS_QUEUE", url(1)));
}

fn a_unix_socket_with_a_password(stage: RolesStage) {
    let stage = with_password(stage);
    let url = |database: u8| {
        format!("unix://{}?db={database}&password={AS_PARAMETER}", stage.redis.socket().display())
    };
    all_roles_work(&stage, |binary| binary.set("REDIS_CACHE", url(0)).set("REDIS_QUEUE", url(1)));
}

fn a_ca_as_parameter_or_in_openssls_variable(stage: RolesStage) {
    let redis = Redis::start_with(Options::default().tls(Ca::new()));
    let stage = RolesStage { redis, ..stage };
    let ca = stage.redis.ca().expect("a CA").display().to_string();
    let url =
        |database: u8| format!("{}?ssl_ca_certs={ca}&ssl_cert_reqs=required", stage.redis.url(database));
    all_roles_work(&stage, |binary| binary.set("REDIS_CACHE", url(0)).set("REDIS_QUEUE", url(1)));
    all_roles_work(&stage, |binary| binary.set("SSL_CERT_FILE", &ca));
}
