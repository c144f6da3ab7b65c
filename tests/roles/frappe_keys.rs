//! Keys of Frappe's files that would lead a child elsewhere: every child gets what this program uses.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::all::AllStage;
use crate::stage::{LONG, SITE};
use crate::support::skip::skipped;
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::support::{http, port};

const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";

/// The site's own file names other Redis databases, and hides the database server by empty values.
#[test]
fn children_use_the_servers_that_this_program_uses() {
    let stage = AllStage::new();
    stage.all().with_command("bootstrap").run().exits(0);
    let (socketio, done) = (port::free(), stage.bench.path().join("done"));
    stage
        .bench
        .configure(json!({"socketio_port": socketio.to_string(), "socketio_uds": "/nowhere/socketio.sock"}));
    let elsewhere = json!({"redis_queue": stage.redis.url(5), "redis_cache": stage.redis.url(6),
        "db_host": "", "db_port": null, "db_type": null});
    stage.edit_site_config(|config| config.extend(elsewhere.as_object().expect("an object").clone()));
    let pod = ready(stage.all().unset("SOCKETIO_PORT"));
    let names = "redis_cache (site_config.json), redis_queue (site_config.json), socketio_uds";
    let warned =
        ["db_type (site_config.json), db_host (site_config.json), db_port (site_config.json)", names];
    for name in warned {
        pod.says(name);
    }
    let path = format!("/api/method/frappe.sample.queue?path={}", done.display());
    assert_eq!(http::status(stage.port, SITE, &path), 200);
    eventually(LONG, "the worker runs the job of the web process", || done.exists().then_some(()));
    assert_eq!([5, 6].map(|database| stage.redis.ask::<i64>(database, &["DBSIZE"])), [0, 0]);
    // Node listens at the port of the file, and the web port finds it there.
    assert_eq!(http::status(socketio, "localhost", HANDSHAKE), 200);
    assert_eq!(http::status(stage.port, SITE, HANDSHAKE), 200);
    // So does a program that an operator runs.
    let program = stage.command("exec").argument("--").argument("env").run().exits(0);
    assert!(program.stdout.contains(&format!("FRAPPE_REDIS_QUEUE={}", stage.redis.url(1))), "{program}");
    // The file stays as it is.
    assert_eq!(stage.site_config()["redis_queue"], Value::from(stage.redis.url(5)));
}

/// Node would listen at a Unix socket of that name.
#[test]
fn a_socketio_port_that_is_none_is_9000_for_all() {
    let stage = AllStage::new();
    stage.all().unset("SOCKETIO_PORT").with_command("bootstrap").run().exits(0);
    stage.bench.configure(json!({"socketio_port": "nine thousand"}));
    let plan = stage.all().unset("SOCKETIO_PORT").with_command("bootstrap").run().exits(0);
    plan.event("config.unused").says("socketio_port (common_site_config.json)");
    if TcpListener::bind("127.0.0.1:9000").is_err() {
        skipped("a_socketio_port_that_is_none_is_9000_for_all", "port 9000 is in use");
        return;
    }
    let _pod = ready(stage.all().unset("SOCKETIO_PORT").with_command("socketio"));
    assert_eq!(http::status(9000, "localhost", HANDSHAKE), 200);
}

/// Node would find no common_site_config.json, and no Redis.
#[test]
fn node_reads_the_files_of_this_bench() {
    let stage = AllStage::new();
    stage.all().with_command("bootstrap").run().exits(0);
    let _pod = ready(stage.all().with_command("socketio").set("FRAPPE_BENCH_ROOT", "/nowhere"));
    assert_eq!(http::status(stage.socketio, "localhost", HANDSHAKE), 200);
}
