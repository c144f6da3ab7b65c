//! Hazards of descriptors: pipes kept open by other processes, stalled readers, closed and leaked descriptors.

mod kernel;

use std::io::Read;
use std::process::Stdio;
use std::time::Instant;

use kernel::{Harness, PROMPT, is_alive, kill_now};
use nix::sys::signal::Signal;

const GRACE: &[&str] = &["--grace", "60s"];
const WRAPPED: &[&str] = &["--grace", "60s", "--child-logs", "prefix"];

/// Hazard 7: a grandchild outside the group keeps the pipe open; the child's end is still detected.
#[test]
fn h07_a_held_pipe_does_not_hide_the_exit() {
    let mut harness = Harness::new();
    let script = r#"
        [ -e "$ONCE" ] && { echo again >>$EVENTS; exec sleep 1000; }
        touch "$ONCE"
        setsid sh -c 'echo grandchild $$ >>$EVENTS; exec sleep 1000' &
        read -r go <"$GO"
        exit 1"#;
    let go = harness.path("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut command = harness.command(&[WRAPPED, &["--restart"]].concat(), script);
    command.env("ONCE", harness.path("once")).env("GO", &go);
    let mut subject = harness.start(command);
    let grandchild = harness.pid("grandchild");
    let begin = Instant::now();
    std::fs::write(&go, "go\n").unwrap();
    harness.event("again");
    assert!(begin.elapsed() < PROMPT, "the restart waited for the pipe");
    assert!(
        is_alive(grandchild),
        "the process that keeps the pipe open has ended, so the test proves nothing"
    );
    subject.signal(Signal::SIGTERM);
    assert_eq!(subject.exits_promptly(), 143);
    assert!(!is_alive(grandchild));
}

/// Writes to a reader that never reads; TERM must still end the program promptly.
fn stalled(flags: &[&str], stdout: Stdio, stderr: Stdio, script: &str) -> (Harness, i32) {
    let mut harness = Harness::new();
    let mut command = harness.command(flags, script);
    command.stdout(stdout).stderr(stderr);
    let mut subject = harness.start(command);
    harness.event("full");
    subject.signal(Signal::SIGTERM);
    let exit = subject.exits_promptly();
    (harness, exit)
}

/// Reports once it has written far more than a pipe and our buffers can hold.
const FLOOD: &str = r#"
    python3 -c '
import os, sys
line = b"x" * 999 + b"\n"
for n in range(4000): os.write(1, line); os.write(2, line)
open(os.environ["EVENTS"], "a").write("full\n")'
    exec sleep 1000"#;

/// Hazard 8: our output, which wraps the child's, is not read; the child continues and TERM is handled.
#[test]
fn h08_a_stalled_reader_does_not_stall_the_child() {
    let (_held, writer) = std::io::pipe().unwrap();
    let error_writer = writer.try_clone().unwrap();
    let (_, exit) = stalled(WRAPPED, writer.into(), error_writer.into(), FLOOD);
    assert_eq!(exit, 143);

    // Control: without us the same program blocks in its write.
    let (_held, writer) = std::io::pipe().unwrap();
    let mut harness = Harness::new();
    let mut command = harness.program("sh");
    command.args(["-c", FLOOD]).stdout(writer);
    let mut control = harness.start(command);
    assert!(
        harness.event_within("full", std::time::Duration::from_millis(500)).is_none(),
        "it does not block"
    );
    assert!(control.is_running());
}

/// Hazard 8: a socket that is not read does not stall the child either.
#[test]
fn h08_a_stalled_socket_does_not_stall_the_child() {
    let (_held, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    let error_writer = std::os::fd::OwnedFd::from(writer.try_clone().unwrap());
    let (_, exit) = stalled(WRAPPED, std::os::fd::OwnedFd::from(writer).into(), error_writer.into(), FLOOD);
    assert_eq!(exit, 143);
}

/// Hazard 8: inherited output blocks the child, as it would without us, but not us.
#[test]
fn h08_an_inherited_pipe_blocks_only_the_child() {
    let (_held, writer) = std::io::pipe().unwrap();
    let script = r#"
        python3 -c '
import fcntl, os
# Fill the pipe to the last byte without ever blocking on it ourselves.
fd = os.open("/proc/self/fd/1", os.O_WRONLY | os.O_NONBLOCK)
try:
    while True: os.write(fd, b"x")
except BlockingIOError: pass
open(os.environ["EVENTS"], "a").write("full\n")'
        exec yes"#;
    let error_writer = writer.try_clone().unwrap();
    let (_, exit) =
        stalled(&["--grace", "60s", "--log-level", "debug"], writer.into(), error_writer.into(), script);
    assert_eq!(exit, 143);
}

/// Hazard 8: we write without O_NONBLOCK, which would affect the child and our parent.
#[test]
fn h08_the_inherited_file_description_stays_blocking() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut harness = Harness::new();
    let script = "grep flags /proc/self/fdinfo/2 >\"$FLAGS\"; echo done >>$EVENTS";
    let mut command = harness.command(&["--log-level", "debug"], script);
    command.env("FLAGS", harness.path("flags")).stderr(writer);
    let mut subject = harness.start(command);
    harness.event("done");
    assert_eq!(subject.exit(), 0);
    let flags = std::fs::read_to_string(harness.path("flags")).unwrap();
    let flags = i32::from_str_radix(flags.split_whitespace().nth(1).unwrap(), 8).unwrap();
    assert_eq!(flags & nix::libc::O_NONBLOCK, 0);
    // We have written to it.
    drop(subject);
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    assert!(log.contains("process.all_exited"), "{log}");
}

/// Hazard 8: a late reader still gets the last line.
#[test]
fn h08_the_last_line_is_not_lost() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let harness = Harness::new();
    let mut command = harness.program(kernel::BINARY);
    command.args(["run", "--", "/no/such/program"]).stderr(writer);
    let mut subject = harness.start(command);
    assert_eq!(subject.exit(), 127);
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    assert!(log.contains("/no/such/program") && log.ends_with('\n'), "{log}");
}

const WITH_DESCRIPTORS: &str = "
import os, sys
if sys.argv[1] == 'closed':
    for fd in (0, 1, 2): os.close(fd)
else:
    os.dup2(os.open('/dev/null', os.O_RDONLY), 77, inheritable=True)
os.execvp(sys.argv[2], sys.argv[2:])";

/// The numbers of the descriptors that a program was started with.
const LIST: &str = r#"python3 -c '
import os
print(*sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)),
      file=open(os.environ["LIST"], "w"))
print(*(os.readlink("/proc/self/fd/%d" % fd) for fd in (0, 1, 2)), file=open(os.environ["LIST"], "a"))'"#;

fn descriptors(mode: &str, supervised: bool) -> String {
    let harness = Harness::new();
    let mut command = harness.program("python3");
    command.args(["-c", WITH_DESCRIPTORS, mode]).env("LIST", harness.path("list"));
    if supervised {
        command.args([kernel::BINARY, "run", "--"]);
    }
    command.args(["sh", "-c", LIST]);
    assert_eq!(harness.start(command).exit(), 0);
    std::fs::read_to_string(harness.path("list")).unwrap()
}

/// Hazard 13: closed descriptors 0 to 2 are /dev/null, so that no other file gets these numbers.
#[test]
fn h13_closed_descriptors_are_dev_null() {
    let list = descriptors("closed", true);
    assert!(list.ends_with("/dev/null /dev/null /dev/null\n"), "{list}");
}

/// Hazard 13: a descriptor that leaked into us is not inherited by the child.
#[test]
fn h13_leaked_descriptors_are_not_inherited() {
    let numbers = |list: &str| list.lines().next().unwrap().split(' ').any(|fd| fd == "77");
    assert!(!numbers(&descriptors("leaked", true)));
    assert!(numbers(&descriptors("leaked", false)), "the control does not leak");
}

/// Hazard 17: only the child gets the environment.
#[test]
fn h17_a_secret_in_the_environment_is_not_logged() {
    let mut harness = Harness::new();
    let script = r#"test "$DB_PASSWORD" = canary-7f3a && echo ready $PPID >>$EVENTS; exec sleep 1000"#;
    let mut command = harness.command(&["--log-level", "trace"], script);
    command.env("DB_PASSWORD", "canary-7f3a");
    let mut subject = harness.start(command);
    let pid = harness.pid("ready");
    let cmdline = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(!cmdline.contains("canary-7f3a=") && is_alive(pid));
    subject.signal(Signal::SIGTERM);
    subject.exits_promptly();
    assert!(!(harness.stdout() + &harness.stderr()).contains("canary-7f3a"));
    kill_now(pid);
}

/// Hazard 17: once read, a secret is no longer in our own environment block.
#[test]
fn h17_a_secret_is_scrubbed_from_proc() {
    let harness = Harness::new();
    let mut command = harness.program(kernel::BINARY);
    command.args(["wait-deps", "--wait-timeout", "60s"]);
    command.envs([("DB_HOST", "127.0.0.1"), ("DB_PORT", "1"), ("DB_USER", "u"), ("DB_NAME", "d")]);
    command.env("DB_PASSWORD", "canary-7f3a").env("PGPASSWORD_UNRELATED", "kept");
    let mut subject = harness.start(command);
    let begin = Instant::now();
    let environ = loop {
        assert!(subject.is_running(), "{}", harness.stderr());
        let block = std::fs::read(format!("/proc/{}/environ", subject.pid)).unwrap_or_default();
        let block = String::from_utf8_lossy(&block).into_owned();
        if block.contains("PGPASSWORD_UNRELATED") && !block.contains("canary-7f3a") {
            break block;
        }
        assert!(begin.elapsed() < kernel::DEADLINE, "still there: {block}");
        std::thread::yield_now();
    };
    assert!(environ.contains("kept"), "only secrets should be removed");
    subject.signal(Signal::SIGTERM);
    assert_eq!(subject.exits_promptly(), 143);
}

/// `run` adds no delay to the end of a child that stops at once.
#[test]
fn a_cooperative_stop_is_quick() {
    let mut harness = Harness::new();
    let mut subject = harness.run(GRACE, "echo ready >>$EVENTS; exec sleep 1000");
    harness.event("ready");
    let begin = Instant::now();
    subject.signal(Signal::SIGTERM);
    subject.exit();
    assert!(begin.elapsed().as_millis() < 1000, "{:?}", begin.elapsed());
}
