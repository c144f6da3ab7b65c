//! Commands from existing manifests, and `exec`.

use nix::sys::signal::Signal;

use crate::processes::status;
use crate::stage::{LONG, RolesStage, SITE};
use crate::support::binary::Binary;
use crate::support::port;
use crate::support::stage::ready;

#[test]
fn bench_worker_is_the_worker_role() {
    let stage = RolesStage::new();
    let pod = ready(stage.command("bench").argument("worker").argument("--queue").argument("short,default"));
    assert_eq!(status(&pod)["role"], "worker");
    assert_eq!(status(&pod)["children"][0]["name"], "worker short,default 1");
    pod.signal(Signal::SIGTERM);
    pod.end_within(LONG).exits(0);
}

#[test]
fn node_with_socketio_is_the_socketio_role() {
    let stage = RolesStage::new();
    let script = stage.bench().path().join("apps/frappe/socketio.js");
    let port = port::free();
    let node = stage.command("node").argument(script.to_str().expect("a path"));
    let pod = ready(node.set("SOCKETIO_PORT", port));
    assert_eq!(status(&pod)["role"], "socketio");
}

#[test]
fn other_commands_are_run_unchanged() {
    let ended = Binary::new(&["sh", "-c", "echo told; exit 5"]).run().exits(5);
    assert_eq!(ended.stdout, "told\n");
    Binary::new(&["no-such-program", "x"]).run().exits(127);
    // An unknown option is an error of our own command line.
    Binary::new(&["--no-such-flag"]).run().exits(64);
}

/// The program gets a role's environment and replaces our process.
#[test]
fn exec_becomes_the_program() {
    let stage = RolesStage::new();
    let text = "import os, frappe; print(os.getpid(), os.environ['FRAPPE_SITE'], os.environ['PGGSSENCMODE'], \
                os.environ.get('DB_PASSWORD'), os.getcwd())";
    let exec = stage.command("exec").argument("--").argument("python").argument("-c").argument(text);
    let runtime = tempfile::tempdir().expect("a folder");
    let exec = exec.set("CAULDRON_RUNTIME_DIR", runtime.path().display());
    let pod =
        exec.set("DB_PASSWORD", "secret").set("DB_USER", "somebody").set("DB_NAME", "roles_test").spawn();
    let pid = pod.pid();
    let ended = pod.end().exits(0);
    let view = runtime.path().join("bench").display().to_string();
    assert_eq!(ended.stdout.trim(), format!("{pid} {SITE} disable None {view}"), "{ended}");
    stage.command("exec").argument("--").argument("no-such-program").run().exits(127);
}
