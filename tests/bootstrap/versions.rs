//! Versions of Frappe that are not among the tested ones: an older one is refused by every command, a newer one is
//! served with a warning.

use crate::stage::{self, served};
use crate::support::generation::Generation;
use crate::support::stage::Stage;

fn of_version(version: &str) -> Stage {
    let stage = stage::empty();
    stage.bench.set_version(version);
    stage
}

#[test]
fn frappe_14_is_refused_by_every_command_in_one_sentence() {
    let stage = of_version("14.93.2");
    let before = stage.snapshot();
    let sentence = "this image has Frappe 14.93.2; Frappe 15 or later is needed";
    for command in [
        "web",
        "worker",
        "scheduler",
        "socketio",
        "all",
        "wait-deps",
        "configure",
        "bootstrap",
        "migrate",
        "maintenance status",
        "apps fetch",
        "apps remove shop",
    ] {
        let ran = stage.manifest(command).run().exits(78).refuses("frappe-unsupported");
        assert!(ran.stderr.contains(sentence), "{command}: {}", ran.stderr);
    }
    stage.manifest("plan").run().exits(78).says(sentence);
    stage.manifest("doctor").run().exits(78).prints(sentence);
    stage.is_unchanged_since(&before);
    // A backup of the old code may be needed.
    let exec = ["--", "python", "-c", "import frappe; print(frappe.__version__)"];
    exec.iter()
        .fold(stage.manifest("exec"), |exec, word| exec.argument(word))
        .run()
        .exits(0)
        .prints("14.93.2");
}

#[test]
fn a_version_that_is_newer_than_the_tested_ones_is_served_and_named() {
    let stage = stage::of(Generation::Frappe16);
    // The control.
    let ran = stage.leader().run().exits(0);
    assert!(!ran.stderr.contains("bench.frappe_untested"), "{}", ran.stderr);
    stage.bench.set_version("17.1.0");
    let named = "Frappe 17.1.0 is newer than version 16";
    stage.leader().run().exits(0).event("bench.frappe_untested").says(named);
    stage.leader().with_command("doctor").run().prints(named);
    served(stage.leader()).ping_and_stop();
}

#[test]
fn an_image_without_the_node_server_is_refused_by_socketio_alone() {
    let stage = stage::empty();
    std::fs::remove_file(stage.bench.path().join("apps/frappe/socketio.js")).expect("socketio.js");
    for command in ["socketio", "all"] {
        stage.manifest(command).run().exits(78).refuses("live-events-server-missing");
    }
    stage.leader().run().exits(0);
    served(stage.leader()).ping_and_stop();
}
