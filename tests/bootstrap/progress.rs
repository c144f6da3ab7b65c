//! What people and Kubernetes see of a long creation: a live line, an event a step, the reason of an end.

use std::fs;
use std::process::Command;

use crate::place::Place;
use crate::support::skip::skipped;

/// Runs the rest of the line on a terminal of its own.
const ON_A_TERMINAL: [&str; 3] =
    ["python3", "-c", "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"];

/// Frappe's own bar is drawn with carriage returns; folded into ours it is one line that moves.
#[test]
fn on_a_terminal_a_line_moves() {
    let place = Place::new();
    let ended = place.leader().under(&ON_A_TERMINAL).run().exits(0);
    let screen = ended.stdout;
    assert!(screen.contains("\rnew-site  ") || screen.contains("new-site  0 s"), "{screen:?}");
    assert!(screen.contains(" tables  "), "{screen:?}");
    assert!(!screen.contains("\"timestamp\""), "a terminal is for people: {screen:?}");
}

/// The control: in a log there is an event a step, and nothing is redrawn.
#[test]
fn in_a_log_there_is_an_event_a_step() {
    let place = Place::new();
    let log = place.leader().run().exits(0).stderr;
    assert!(!log.contains('\r'), "{log:?}");
    for step in ["new-site", "enable-scheduler"] {
        let events = |word: &str| {
            log.lines().filter(|l| l.contains(&format!("\"{word}\",\"step\":\"{step}\""))).count()
        };
        assert_eq!((events("started"), events("finished")), (1, 1), "{step}: {log}");
    }
}

/// Where Kubernetes looks for the reason of an end.
#[test]
fn the_termination_message_is_cause_and_mend() {
    let place = Place::new();
    let message = place.bench.path().join("message");
    fs::write(&message, "").expect("a file");
    // A /dev of its own: the kubelet mounts the file there.
    let script = format!(
        "set -e; dev=$(mktemp -d); mount -t tmpfs none $dev; \
         for node in null zero full random urandom; do touch $dev/$node; mount --bind /dev/$node $dev/$node; done; \
         mkdir $dev/shm; touch $dev/termination-log; mount --bind {} $dev/termination-log; mount --move $dev /dev; \
         exec \"$0\" \"$@\"",
        message.display()
    );
    let allowed = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        skipped("the_termination_message_is_cause_and_mend", "no mount namespace can be made here");
        return;
    }
    let leader = place.leader().unset("ADMIN_PASSWORD");
    leader.under(&["unshare", "-m", "sh", "-c", &script]).run().exits(78);
    let told = fs::read_to_string(&message).expect("the message");
    assert!(told.contains("ADMIN_PASSWORD is not set") && told.contains("set ADMIN_PASSWORD or"), "{told:?}");
}
