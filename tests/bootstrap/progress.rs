//! The visible progress of a long creation: a live line, one event per step, and the termination message.

use std::fs;
use std::process::Command;

use crate::stage;
use crate::support::skip::skipped;

/// Runs the rest of the command line on its own terminal.
const ON_A_TERMINAL: [&str; 3] =
    ["python3", "-c", "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"];

/// Frappe draws its bar with carriage returns; we fold it into one live line.
#[test]
fn on_a_terminal_there_is_a_live_line() {
    let stage = stage::empty();
    let ended = stage.leader().under(&ON_A_TERMINAL).run().exits(0);
    let screen = ended.stdout;
    assert!(screen.contains("\rnew-site  ") || screen.contains("new-site  0 s"), "{screen:?}");
    assert!(screen.contains(" tables  "), "{screen:?}");
    assert!(!screen.contains("\"timestamp\""), "no JSON on a terminal: {screen:?}");
}

/// The control: in a log there is one event per step, and nothing is redrawn.
#[test]
fn in_a_log_there_is_one_event_per_step() {
    let stage = stage::empty();
    let log = stage.leader().run().exits(0).stderr;
    assert!(!log.contains('\r'), "{log:?}");
    for step in ["new-site", "enable-scheduler"] {
        let events = |word: &str| {
            log.lines().filter(|l| l.contains(&format!("\"step.{word}\",\"step\":\"{step}\""))).count()
        };
        assert_eq!((events("started"), events("finished")), (1, 1), "{step}: {log}");
    }
}

/// Kubernetes shows the termination message as the reason of an end.
#[test]
fn the_termination_message_has_cause_and_hint() {
    let stage = stage::empty();
    let message = stage.bench.path().join("message");
    fs::write(&message, "").expect("a file");
    // The pod gets its own /dev, in which the kubelet mounts the file.
    let script = format!(
        "set -e; dev=$(mktemp -d); mount -t tmpfs none $dev; \
         for node in null zero full random urandom; do touch $dev/$node; mount --bind /dev/$node $dev/$node; done; \
         mkdir $dev/shm; touch $dev/termination-log; mount --bind {} $dev/termination-log; mount --move $dev /dev; \
         exec \"$0\" \"$@\"",
        message.display()
    );
    let allowed = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        skipped("the_termination_message_has_cause_and_hint", "no mount namespace can be made here");
        return;
    }
    let leader = stage.leader().unset("ADMIN_PASSWORD");
    leader.under(&["unshare", "-m", "sh", "-c", &script]).run().exits(78);
    let text = fs::read_to_string(&message).expect("the message");
    assert!(text.contains("ADMIN_PASSWORD is not set") && text.contains("set ADMIN_PASSWORD or"), "{text:?}");
}
