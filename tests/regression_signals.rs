//! Hazards of signals: lost, merged and leaked signals, and terminals. The numbers are those of docs/hazards.md.

mod kernel;

use std::process::Command;
use std::time::Instant;

use kernel::{Harness, PROMPT, as_init, is_alive};
use nix::sys::signal::Signal;

const GRACE: &[&str] = &["--grace", "60s"];

/// Python that changes signals and then becomes the rest of the command line.
const BLOCK_AND_TERM: &str = "
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.kill(os.getpid(), signal.SIGTERM)
if sys.argv[1] == 'unblock': signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
open(os.environ['EVENTS'], 'a').write('ready\\n')
os.execvp(sys.argv[2], sys.argv[2:])";

/// Hazard 1: PID 1 loses a TERM that arrives before its handlers are installed.
#[test]
fn h01_a_term_before_the_handlers_is_kept() {
    let mut harness = Harness::new();
    let Some(mut command) = as_init(&harness, "h01_a_term_before_the_handlers_is_kept") else { return };
    command.args(["python3", "-c", BLOCK_AND_TERM, "keep", kernel::BINARY]);
    command.args(["run", "--grace", "60s", "--", "sh", "-c", "echo started >>$EVENTS; exec sleep 1000"]);
    let mut subject = harness.start(command);
    harness.event("ready");
    assert_eq!(subject.exits_promptly(), 143);
    assert!(harness.event_within("started", std::time::Duration::ZERO).is_none(), "it was started");

    // Control: as PID 1 with the default action and nothing blocked, the same TERM is lost.
    let mut command = as_init(&harness, "control").expect("as above");
    command.args(["python3", "-c", BLOCK_AND_TERM, "unblock", "sh", "-c", "echo survived >>$EVENTS"]);
    let mut control = harness.start(command);
    harness.event("survived");
    assert_eq!(control.exit(), 0);
}

const COUNTS_TERMS: &str = r#"
import os, signal
def term(*_): open(os.environ['EVENTS'], 'a').write('term\n')
signal.signal(signal.SIGTERM, term)
signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))
open(os.environ['EVENTS'], 'a').write('ready %d\n' % os.getpid())
while True: signal.pause()"#;

fn counting(harness: &Harness) -> Command {
    let mut command = harness.program(kernel::BINARY);
    command.args(["run", "--grace", "60s", "--", "python3", "-c", COUNTS_TERMS]);
    command
}

/// Hazard 4: a burst is one request, and the child gets one TERM.
#[test]
fn h04_five_terms_at_once_do_not_force_the_stop() {
    let mut harness = Harness::new();
    let mut subject = harness.start(counting(&harness));
    let child = harness.pid("ready");
    for _ in 0..5 {
        subject.signal(Signal::SIGTERM);
    }
    harness.event("term");
    // The child still answers, so it was not killed.
    subject.signal(Signal::SIGUSR1);
    assert_eq!(subject.exits_promptly(), 7);
    assert!(harness.event_within("term", std::time::Duration::ZERO).is_none(), "two TERMs");
    assert!(!is_alive(child));
}

/// Hazard 4: a later TERM forces the stop.
#[test]
fn h04_a_later_term_forces_the_stop() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let mut harness = Harness::new();
        let mut subject = harness.start(counting(&harness));
        let child = harness.pid("ready");
        subject.signal(Signal::SIGTERM);
        harness.event("term");
        let begin = Instant::now();
        // As a person does: repeat until it exits.
        let exit = loop {
            subject.signal(second);
            if let Some(exit) = subject.exit_within(std::time::Duration::from_millis(30)) {
                break exit;
            }
            assert!(begin.elapsed() < PROMPT, "a later {second} had no effect");
        };
        assert_eq!(exit, 137);
        assert!(!is_alive(child));
    }
}

const SPOIL_SIGNALS: &str = "
import os, signal, sys
for s in signal.valid_signals():
    if s in (signal.SIGHUP, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1, 40):
        signal.signal(s, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.execvp(sys.argv[1], sys.argv[1:])";

/// The blocked and the ignored signal set in the text of /proc/self/status.
fn signal_sets(status: &str) -> [u64; 2] {
    ["SigBlk:", "SigIgn:"].map(|name| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a signal set");
        u64::from_str_radix(line[name.len()..].trim(), 16).expect("hexadecimal")
    })
}

/// Hazard 10: the signal mask and ignored signals leak into children.
#[test]
fn h10_the_child_has_an_empty_mask_and_default_dispositions() {
    let harness = Harness::new();
    let mut command = harness.program("python3");
    command.args(["-c", SPOIL_SIGNALS, kernel::BINARY, "run", "--", "cat", "/proc/self/status"]);
    assert_eq!(harness.start(command).exit(), 0);
    assert_eq!(signal_sets(&harness.stdout()), [0, 0]);

    // Control: without us both leak.
    let mut command = harness.program("python3");
    command.args(["-c", SPOIL_SIGNALS, "cat", "/proc/self/status"]);
    assert_eq!(harness.start(command).exit(), 0);
    let [blocked, ignored] = signal_sets(&harness.stdout());
    assert!(blocked != 0 && ignored & (1 << 39) != 0, "the control does not leak");
}

const ON_A_TERMINAL: &str = r#"
import os, pty, signal, sys, termios, fcntl
def say(text): open(os.environ['EVENTS'], 'a').write(text + '\n')
pid, master = pty.fork()
if pid == 0:
    # TOSTOP: a background writer is stopped, unless it ignores TTOU.
    flags = termios.tcgetattr(0); flags[3] |= termios.TOSTOP; termios.tcsetattr(0, termios.TCSANOW, flags)
    os.execvp(sys.argv[1], sys.argv[1:])
say('outer %d' % pid)
seen = b''
try:
    while b'ready' not in seen: seen += os.read(master, 1024)
    os.write(master, b'\x03')
    while True: seen += os.read(master, 1024)
except OSError: pass
status = os.waitpid(pid, 0)[1]
say('status %d' % os.waitstatus_to_exitcode(status))"#;

/// Hazard 14: on a terminal the child is in the foreground and gets the keys; we neither stop nor exit.
#[test]
fn h14_the_child_has_the_terminal() {
    let mut harness = Harness::new();
    let script = r#"
        trap 'echo interrupted >>$EVENTS; exit 9' INT
        echo "groups $(ps -o pgid=,tpgid= -p $$)" >>$EVENTS
        echo ready
        while :; do sleep 1000 & wait $!; done"#;
    let mut command = harness.program("python3");
    command.args(["-c", ON_A_TERMINAL, kernel::BINARY, "run"]);
    command.args(["--log-level", "debug"]).args(GRACE).args(["--", "sh", "-c", script]);
    let mut subject = harness.start(command);
    let outer = harness.pid("outer");
    let groups = harness.event("groups");
    let groups: Vec<i32> = groups.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(groups[0], groups[1], "the child's group is not in the foreground");
    assert_ne!(groups[0], outer, "the child has no group of its own");
    harness.event("interrupted");
    assert_eq!(harness.event("status"), "9");
    assert_eq!(subject.exit(), 0);
}

const JOB_CONTROL: &str = r#"
import os, pty, signal, sys, threading
def say(text): open(os.environ['EVENTS'], 'a').write(text + '\n')
pid, master = pty.fork()
if pid == 0:
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0); os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(sys.argv[1], sys.argv[1:])
    status = os.waitpid(job, os.WUNTRACED)[1]
    say('first %s %d' % (os.WIFSTOPPED(status), os.tcgetpgrp(0) == job))
    if os.WIFSTOPPED(status):
        os.tcsetpgrp(0, os.getpgrp()); os.tcsetpgrp(0, job); os.killpg(job, signal.SIGCONT)
        os.write(1, b'continued')
        status = os.waitpid(job, 0)[1]
    os._exit(os.waitstatus_to_exitcode(status))
seen = b''
try:
    while b'ready' not in seen: seen += os.read(master, 1024)
    os.write(master, b'\x1a')
    if sys.argv[-1] == 'stops':
        while b'continued' not in seen: seen += os.read(master, 1024)
    os.write(master, b'typed\n')
    while True: seen += os.read(master, 1024)
except OSError: pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"#;

/// Hazard 14: ^Z stops the job including us, as its shell expects; `fg` continues it.
#[test]
fn h14_ctrl_z_stops_the_job_and_fg_continues_it() {
    let mut harness = Harness::new();
    let script = "echo ready; until read -r word; do :; done; echo \"got $word\" >>$EVENTS; exit 3";
    let mut command = harness.program("python3");
    command.args(["-c", JOB_CONTROL, kernel::BINARY, "run", "--", "sh", "-c", script, "sh", "stops"]);
    let mut subject = harness.start(command);
    assert_eq!(harness.event("first"), "True 1");
    assert_eq!(harness.event("got"), "typed");
    assert_eq!(subject.exit(), 3);
}

const IN_THE_BACKGROUND: &str = r#"
import os, pty, sys
pid, master = pty.fork()
if pid == 0:
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.execvp(sys.argv[1], sys.argv[1:])
    status = os.waitpid(job, os.WUNTRACED)[1]
    os._exit(99 if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status))
try:
    while os.read(master, 1024): pass
except OSError: pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"#;

/// Hazard 14: in the background of a terminal we neither take it nor are stopped.
#[test]
fn h14_in_the_background_the_terminal_is_left_alone() {
    let harness = Harness::new();
    let mut command = harness.program("python3");
    command.args(["-c", IN_THE_BACKGROUND, kernel::BINARY, "run", "--", "sh", "-c"]);
    command.arg("set -- $(ps -o pgid=,tpgid= -p $$); [ $1 != $2 ] && exit 5");
    assert_eq!(harness.start(command).exit(), 5);
}

/// Hazard 14: a restarted child has the terminal again.
#[test]
fn h14_a_restarted_child_has_the_terminal_too() {
    let mut harness = Harness::new();
    let script = r#"
        set -- $(ps -o pgid=,tpgid= -p $$)
        [ $1 = $2 ] && echo foreground >>$EVENTS || echo background >>$EVENTS
        [ -e "$ONCE" ] || { touch "$ONCE"; exit 1; }
        trap 'exit 9' INT
        echo ready
        while :; do sleep 1000 & wait $!; done"#;
    let mut command = harness.program("python3");
    command.args(["-c", ON_A_TERMINAL, kernel::BINARY, "run", "--restart", "--", "sh", "-c", script]);
    command.env("ONCE", harness.path("once"));
    let _subject = harness.start(command);
    let outer = harness.pid("outer");
    // At the first start, after the crash, and after the driver's ^C.
    for _ in 0..3 {
        harness.event("foreground");
    }
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(outer), Signal::SIGTERM).unwrap();
    assert_ne!(harness.event("status"), "0");
    assert!(harness.event_within("background", std::time::Duration::ZERO).is_none());
}

/// Hazard 14: without a terminal, none is handed over.
#[test]
fn h14_without_a_terminal_nothing_is_handed_over() {
    let harness = Harness::new();
    assert_eq!(harness.run(GRACE, "test ! -t 0; exit $?").exit(), 0);
}

fn switches(pid: i32) -> u64 {
    let of_task = |path: std::path::PathBuf| {
        let status = std::fs::read_to_string(path.join("status")).unwrap_or_default();
        let line =
            status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:")).map(str::to_owned);
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
    };
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    tasks.flatten().map(|task| of_task(task.path())).sum()
}

/// Hazard 20: an idle supervisor does not wake up. The child limits the measurement to five seconds.
#[test]
fn h20_an_idle_supervisor_does_not_wake() {
    let mut harness = Harness::new();
    let script = "echo begin >>$EVENTS; sleep 5; echo end >>$EVENTS; exec sleep 1000";
    let subject = harness.run(GRACE, script);
    harness.event("begin");
    let before = switches(subject.pid);
    harness.event("end");
    let woken = switches(subject.pid) - before;
    assert!(woken <= 5, "{woken} wake-ups in five idle seconds");
}
