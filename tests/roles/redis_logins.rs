//! The login of a Redis that is away is in no log. Frappe prints the URL.

use nix::sys::signal::Signal;

use crate::processes::{child, kill};
use crate::stage::{RolesStage, SITE};
use crate::support::binary::Pod;
use crate::support::redis::{Options, Redis};
use crate::support::stage::ready;
use crate::support::{http, port};
use crate::worker::worker;

const PASSWORD: &str = "canary/7f:3a";
/// Frappe's message; without it, these tests prove nothing.
const MESSAGE: &str = "Please make sure that Redis Queue runs @ redis://***@127.0.0.1:";

#[track_caller]
fn is_clean(pod: &Pod) {
    assert!(!pod.log().contains("canary"), "{}", pod.log());
}

#[test]
fn no_child_shows_the_login_of_a_redis_that_is_away() {
    for mode in ["inherit", "prefix", "json"] {
        let redis = Redis::start_with(Options::default().password(PASSWORD));
        let mut stage = RolesStage { redis, ..RolesStage::new() };
        let web_port = port::free();
        let web = stage.command("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{web_port}"));
        let web = ready(web.set("CAULDRON_BOOTSTRAP", "follow").set("CAULDRON_CHILD_LOGS", mode));
        let socketio = stage.command("socketio").set("SOCKETIO_PORT", port::free());
        let socketio = ready(socketio.set("CAULDRON_CHILD_LOGS", mode));
        let worker = ready(worker(&stage).set("CAULDRON_CHILD_LOGS", mode));
        let pid = child(&worker);
        stage.redis.kill_9();
        kill(pid, Signal::SIGKILL);
        worker.says(MESSAGE);
        socketio.says("ECONNREFUSED");
        if !stage.bench().is_real() {
            let queue = "/api/method/frappe.sample.queue?path=/dev/null";
            assert_eq!(http::status(web_port, SITE, queue), 500);
            web.says(MESSAGE);
        }
        [&worker, &web, &socketio].into_iter().for_each(is_clean);
    }
}

/// A program of an operator, in the environment of a role.
#[test]
fn exec_gives_python_the_same_filter_and_no_other_program() {
    let redis = Redis::start_with(Options::default().password(PASSWORD));
    let stage = RolesStage { redis, ..RolesStage::new() };
    let url = "redis://:canary@127.0.0.1:1/1";
    let exec =
        |words: &[&str]| words.iter().fold(stage.command("exec").argument("--"), |b, word| b.argument(word));
    let code =
        format!("import sys; print('{url}'); print('{url}', file=sys.stderr); sys.exit('mail a@b {url}')");
    let ended = exec(&["python", "-c", &code]).run().exits(1);
    assert_eq!(ended.stdout, "redis://***@127.0.0.1:1/1\n");
    assert_eq!(ended.stderr.matches("redis://***@127.0.0.1:1/1").count(), 2, "{ended}");
    assert!(ended.stderr.contains("mail a@b") && !ended.to_string().contains("canary"), "{ended}");
    // The control: the filter is Python's.
    assert!(exec(&["echo", url]).run().exits(0).stdout.contains("canary"));
}
