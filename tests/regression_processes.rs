//! Hazards of processes: two owners, survivors, escaped processes, orphans, wrong exit codes.

mod kernel;

use std::time::{Duration, Instant};

use kernel::skip::skipped;
use kernel::{Harness, PROMPT, Subject, as_init, is_alive, kill_now};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const GRACE: &[&str] = &["--grace", "60s"];

/// Hazards 2 and 11: many short-lived children, each with its own exit code.
#[test]
fn h02_500_short_children_have_the_right_exit_codes() {
    let harness = Harness::new();
    for round in 0..50 {
        let codes: Vec<i32> = (0..10).map(|n| (round * 10 + n) % 256).collect();
        let mut subjects: Vec<Subject> =
            codes.iter().map(|code| harness.run(GRACE, &format!("exit {code}"))).collect();
        let got: Vec<i32> = subjects.iter_mut().map(Subject::exit).collect();
        assert_eq!(got, codes);
    }
}

/// TERM ends the leader; its sibling ignores TERM.
const STUBBORN_SIBLING: &str = r#"
    (trap '' TERM HUP INT; echo sibling $(sh -c 'echo $PPID') >>$EVENTS; while :; do sleep 1000; done) &
    echo leader $$ >>$EVENTS
    wait"#;

/// Hazard 5: the leader exits, the group survives.
#[test]
fn h05_a_sibling_does_not_outlive_its_leader() {
    let mut harness = Harness::new();
    let mut subject = harness.run(&["--grace", "300ms"], STUBBORN_SIBLING);
    let (sibling, leader) = (harness.pid("sibling"), harness.pid("leader"));
    subject.signal(Signal::SIGTERM);
    assert_eq!(subject.exits_promptly(), 143, "the leader's own exit counts");
    assert!(!is_alive(leader) && !is_alive(sibling), "a survivor");

    // Control: a signal to the group, with the leader's end taken for the end of the group.
    let mut command = harness.program("sh");
    command.args(["-c", STUBBORN_SIBLING]);
    let mut control = harness.start(command);
    let sibling = harness.pid("sibling");
    kill(Pid::from_raw(-control.pid), Signal::SIGTERM).unwrap();
    control.exits_promptly();
    assert!(is_alive(sibling), "the control has no survivor");
    kill(Pid::from_raw(-control.pid), Signal::SIGKILL).unwrap();
}

/// Hazard 5: TERM goes to the leader alone; a leader that forwards it would cause a second TERM.
#[test]
fn h05_term_goes_to_the_leader_alone() {
    let mut harness = Harness::new();
    let script = r#"
        sh -c 'trap "echo member-term >>$EVENTS" TERM; echo member >>$EVENTS
               while [ ! -e "$DONE" ]; do sleep 1000 & wait; done' &
        trap 'echo leader-term >>$EVENTS' TERM
        echo leader $$ >>$EVENTS
        while [ ! -e "$DONE" ]; do sleep 1000 & wait; done
        exit 4"#;
    let mut command = harness.command(GRACE, script);
    command.env("DONE", harness.path("done"));
    let mut subject = harness.start(command);
    harness.event("member");
    let leader = harness.pid("leader");
    subject.signal(Signal::SIGTERM);
    harness.event("leader-term");
    assert!(harness.event_within("member-term", Duration::from_millis(100)).is_none(), "signalled the group");
    // The rest of the group is signalled only after the leader has ended.
    std::fs::write(harness.path("done"), "").unwrap();
    kill(Pid::from_raw(leader), Signal::SIGTERM).unwrap();
    harness.event("member-term");
    assert_eq!(subject.exits_promptly(), 4);
}

/// Hazard 5: the rest of a crashed group has ended before the next start.
#[test]
fn h05_a_restart_waits_for_the_old_group() {
    let mut harness = Harness::new();
    let script = r#"
        if [ -e "$ONCE" ]; then
            kill -0 "$(cat "$ONCE")" 2>/dev/null && echo old-alive >>$EVENTS || echo old-ended >>$EVENTS
            exec sleep 1000
        fi
        (trap '' TERM; while :; do sleep 1000; done) &
        echo $! >"$ONCE"
        exit 1"#;
    let mut command = harness.command(&["--restart", "--grace", "200ms"], script);
    command.env("ONCE", harness.path("once"));
    let _subject = harness.start(command);
    harness.event("old-ended");
}

/// Leaves its group and its session, and ignores TERM.
const ESCAPEE: &str = r#"
    setsid sh -c 'trap "" TERM; echo escapee $$ >>$EVENTS; while :; do sleep 1000; done' &
    read -r go <"$GO"
    exit 6"#;

fn escape(harness: &mut Harness, mut command: std::process::Command) -> Subject {
    let go = harness.path("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    command.env("GO", &go);
    let subject = harness.start(command);
    harness.event("escapee");
    std::fs::write(&go, "go\n").unwrap();
    subject
}

/// Hazard 6, not as PID 1: escaped processes are adopted and ended.
#[test]
fn h06_an_escaped_process_is_ended() {
    let mut harness = Harness::new();
    let script = ESCAPEE.replace("echo escapee $$", "echo real $$ >>$EVENTS; echo escapee $$");
    let command = harness.command(&["--grace", "200ms"], &script);
    let mut subject = escape(&mut harness, command);
    let escapee = harness.pid("real");
    assert_eq!(subject.exits_promptly(), 6);
    assert!(!is_alive(escapee), "a survivor");

    // Control: the plain shell leaves it behind.
    let mut harness = Harness::new();
    let mut command = harness.program("sh");
    command.args(["-c", &script]);
    let mut control = escape(&mut harness, command);
    let escapee = harness.pid("real");
    assert_eq!(control.exits_promptly(), 6);
    assert!(is_alive(escapee), "the control has no survivor");
    kill_now(escapee);
}

/// Hazard 6, as PID 1: TERM for all processes, then KILL; the exit code is still the program's.
#[test]
fn h06_pid_1_ends_all_processes() {
    let mut harness = Harness::new();
    let Some(mut command) = as_init(&harness, "h06_pid_1_ends_all_processes") else { return };
    let polite = r#"setsid sh -c 'trap "echo polite-term >>$EVENTS; exit" TERM; echo polite >>$EVENTS
                    while :; do sleep 1000 & wait; done' &"#;
    command.args([kernel::BINARY, "run", "--grace", "300ms", "--", "sh", "-c"]);
    command.arg(format!("{polite}{ESCAPEE}"));
    let mut subject = escape(&mut harness, command);
    assert_eq!(subject.exits_promptly(), 6);
    harness.event("polite-term");
}

/// Hazard 6: a sweep without processes takes no time, and other processes of this user are not signalled.
#[test]
fn h06_unrelated_processes_are_not_signalled() {
    let mut harness = Harness::new();
    let mut command = harness.program("sh");
    command.args(["-c", "echo stranger >>$EVENTS; exec sleep 1000"]);
    let mut stranger = harness.start(command);
    harness.event("stranger");
    let mut subject = harness.run(GRACE, "setsid sleep 1000 & exit 0");
    assert_eq!(subject.exits_promptly(), 0);
    assert!(stranger.is_running());
}

/// Orphans are reaped when they end, not only at our exit.
#[test]
fn orphans_200_are_reaped_while_the_child_runs() {
    for test_as_init in [false, true] {
        let mut harness = Harness::new();
        let script = r#"
            i=0; while [ $i -lt 200 ]; do (sh -c 'exit 3' & ) ; i=$((i+1)); done
            echo made >>$EVENTS
            # Zombies would be children of our parent.
            while ps -o stat= --ppid $PPID | grep -q Z; do :; done
            echo reaped >>$EVENTS"#;
        let mut command = if test_as_init {
            let Some(mut command) = as_init(&harness, "orphans_200_are_reaped") else { return };
            command.args([kernel::BINARY, "run"]).args(GRACE).args([
                "--log-level",
                "debug",
                "--",
                "sh",
                "-c",
            ]);
            command.arg(script);
            command
        } else {
            harness.command(&["--log-level", "debug"], script)
        };
        command.env("CAULDRON_LOG_FORMAT", "json");
        let mut subject = harness.start(command);
        harness.event("made");
        harness.event("reaped");
        assert_eq!(subject.exit(), 0);
        let orphans = harness.stderr().lines().filter(|line| line.contains("process.orphan_reaped")).count();
        assert!(orphans >= 200, "{orphans} orphans");
    }
}

/// Hazard 16: a TERM while the group of a crashed child is being ended is not lost.
#[test]
fn h16_a_term_during_the_cleanup_of_a_crash_is_not_lost() {
    let mut harness = Harness::new();
    let script = r#"
        (trap 'echo signalled >>$EVENTS' TERM; echo member >>$EVENTS; while :; do sleep 1000 & wait; done) &
        read -r go <"$GO"
        exit 8"#;
    let go = harness.path("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut command = harness.command(&["--restart", "--grace", "500ms"], script);
    command.env("GO", &go);
    let mut subject = harness.start(command);
    harness.event("member");
    std::fs::write(&go, "go\n").unwrap();
    harness.event("signalled");
    let begin = Instant::now();
    subject.signal(Signal::SIGTERM);
    assert_eq!(subject.exits_promptly(), 8);
    assert!(begin.elapsed() < PROMPT);
    assert!(harness.event_within("member", Duration::ZERO).is_none(), "started again");
}

/// A new cgroup with a small memory limit: v1, or v2 if it may be delegated.
fn small_cgroup() -> Option<std::path::PathBuf> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mount = std::path::Path::new("/sys/fs/cgroup");
    let name = format!("cauldron-test-{}", std::process::id());
    let parts = own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let mut parents: Vec<_> = parts
        .filter_map(|(controllers, path)| match controllers {
            "" => Some((mount.join(path.trim_start_matches('/')), "memory.max")),
            "memory" => {
                Some((mount.join("memory").join(path.trim_start_matches('/')), "memory.limit_in_bytes"))
            }
            _ => None,
        })
        .collect();
    parents.sort_by_key(|(_, file)| *file);
    parents.into_iter().find_map(|(parent, file)| {
        let folder = parent.join(&name);
        std::fs::create_dir(&folder).ok()?;
        let limited = std::fs::write(folder.join(file), "67108864").is_ok();
        // Without swap, which would delay the OOM kill.
        let _ = std::fs::write(folder.join("memory.swap.max"), "0");
        if !limited {
            let _ = std::fs::remove_dir(&folder);
        }
        limited.then_some(folder)
    })
}

/// Hazard 18: an OOM kill is distinguished from another KILL.
#[test]
fn h18_out_of_memory_is_distinguished_from_a_crash() {
    let Some(cgroup) = small_cgroup() else {
        skipped("h18_out_of_memory_is_distinguished_from_a_crash", "no memory cgroup can be created");
        return;
    };
    let mut harness = Harness::new();
    let script = r#"
        if mkdir "$EVENTS.fat" 2>/dev/null; then exec python3 -c 'bytearray(512 << 20)'; fi
        if mkdir "$EVENTS.killed" 2>/dev/null; then kill -9 $$; fi
        echo well >>$EVENTS; exec sleep 1000"#;
    let inner = harness.command(&["--restart", "--log-level", "info"], script);
    let mut command = harness.program("sh");
    command.args(["-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\""]).arg(&cgroup);
    command.arg(inner.get_program()).args(inner.get_args());
    let mut subject = harness.start(command);
    harness.event("well");
    subject.signal(Signal::SIGTERM);
    subject.exits_promptly();
    let log = harness.stderr();
    let reasons: Vec<&str> = log.lines().filter(|line| line.contains("service.ended_unexpectedly")).collect();
    assert_eq!(reasons.len(), 2, "{log}");
    assert!(reasons[0].contains("oom") && reasons[1].contains("crash"), "{log}");
    std::fs::remove_dir(cgroup).expect("an empty cgroup");
}
