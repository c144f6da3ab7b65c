//! `run -- CMD …`: runs any program under supervision, as an init.

mod kernel;

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Instant;

use kernel::{BINARY, Harness, PROMPT, is_alive};
use nix::sys::signal::Signal;

const GRACE: &[&str] = &["--grace", "60s"];

#[test]
fn the_exit_code_of_the_program_is_returned() {
    let harness = Harness::new();
    for code in [0, 1, 42, 126, 127, 255] {
        assert_eq!(harness.run(GRACE, &format!("exit {code}")).exit(), code);
    }
    for (name, number) in [("KILL", 9), ("TERM", 15), ("SEGV", 11), ("40", 40)] {
        assert_eq!(harness.run(GRACE, &format!("kill -{name} $$")).exit(), 128 + number, "{name}");
    }
}

#[test]
fn a_program_that_cannot_be_started_gives_cause_and_hint() {
    let harness = Harness::new();
    let file = |name: &str, text: &str, mode: u32| {
        let path = harness.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_string()
    };
    let cases = [
        ("no-such-program".into(), 127, "check the program's name"),
        ("/no/such/program".into(), 127, "check the program's name"),
        (file("plain", "text", 0o644), 126, "chmod +x"),
        ("/".into(), 126, "chmod +x"),
        (file("headless", "echo hi", 0o755), 126, "#!"),
        (file("orphaned", "#!/no/such/interpreter\n", 0o755), 126, "interpreter"),
    ];
    for (program, code, hint) in cases {
        let mut command = harness.program(BINARY);
        command.args(["run", "--", &program]);
        assert_eq!(harness.start(command).exit(), code, "{program}");
        let stderr = harness.stderr();
        assert!(stderr.contains(hint) && stderr.contains(&program), "{program}: {stderr}");
    }
}

/// A worker pool of Frappe 16 ticks if it gets the lock.
#[test]
fn a_worker_pool_cannot_tick() {
    let harness = Harness::new();
    std::fs::create_dir_all(harness.path("bench/config")).unwrap();
    std::fs::create_dir_all(harness.path("bench/apps/frappe")).unwrap();
    let says = |last_word: &str, from_environment: bool| {
        let code = "flock --nonblock \"$1/config/scheduler_process\" echo it ticks || echo it does not tick";
        let mut command = harness.program(BINARY);
        command.args(["run", "--", "sh", "-c", code, last_word]).arg(harness.path("bench"));
        if from_environment {
            command.current_dir("/").env("FRAPPE_BENCH_ROOT", harness.path("bench"));
        } else {
            command.current_dir(harness.path("bench/config"));
        }
        let mut running = harness.start(command);
        assert_eq!(running.exit(), 0);
        (harness.stdout(), harness.stderr().contains("exec.scheduler_fenced"))
    };
    for from_environment in [true, false] {
        assert_eq!(says("worker-pool", from_environment), ("it does not tick\n".to_owned(), true));
        // The control.
        assert_eq!(says("worker", from_environment), ("it ticks\n".to_owned(), false));
    }
}

#[test]
fn the_program_inherits_environment_folder_and_stdin() {
    let harness = Harness::new();
    let mut command = harness.command(GRACE, "echo \"$MINE $(pwd) $(cat)\"");
    std::fs::write(harness.path("input"), "typed").unwrap();
    command.env("MINE", "kept").current_dir(harness.folder.path());
    command.stdin(Stdio::from(std::fs::File::open(harness.path("input")).unwrap()));
    assert_eq!(harness.start(command).exit(), 0);
    let folder = harness.folder.path().canonicalize().unwrap();
    assert_eq!(harness.stdout(), format!("kept {} typed\n", folder.display()));
}

#[test]
fn signals_are_forwarded() {
    let mut harness = Harness::new();
    let script = r#"
        for s in HUP USR1 USR2 WINCH CONT; do trap "echo got-$s >>$EVENTS" $s; done
        trap "echo got-INT >>$EVENTS; exit 5" INT
        echo ready >>$EVENTS
        while :; do sleep 1000 & wait; kill $! 2>/dev/null; done"#;
    let mut subject = harness.run(GRACE, script);
    harness.event("ready");
    for signal in ["HUP", "USR1", "USR2", "WINCH", "CONT"] {
        subject.signal(format!("SIG{signal}").parse().unwrap());
        harness.event(&format!("got-{signal}"));
    }
    subject.signal(Signal::SIGINT);
    harness.event("got-INT");
    assert_eq!(subject.exit(), 5, "after INT, the exit code is the program's");
}

#[test]
fn a_program_that_dies_of_term_gives_143() {
    let mut harness = Harness::new();
    let mut subject = harness.run(GRACE, "echo ready >>$EVENTS; exec sleep 1000");
    harness.event("ready");
    subject.signal(Signal::SIGTERM);
    assert_eq!(subject.exits_promptly(), 143);
}

#[test]
fn a_program_that_ignores_term_is_killed_after_the_grace_period() {
    let mut harness = Harness::new();
    let script = "trap '' TERM; echo ready $$ >>$EVENTS; while :; do sleep 1000; done";
    let mut subject = harness.run(&["--grace", "300ms"], script);
    let child = harness.pid("ready");
    let requested = Instant::now();
    subject.signal(Signal::SIGTERM);
    assert_eq!(subject.exits_promptly(), 137);
    assert!(requested.elapsed().as_millis() >= 300, "it was killed before the grace period ended");
    assert!(!is_alive(child));
}

#[test]
fn restart_starts_the_program_again_until_a_crash_loop() {
    let mut harness = Harness::new();
    let mut subject = harness.run(&["--restart"], "echo started $$ >>$EVENTS; exit 7");
    let first = harness.pid("started");
    let begin = Instant::now();
    assert_ne!(harness.pid("started"), first);
    assert!(begin.elapsed() < PROMPT);
    for _ in 0..3 {
        harness.event("started");
    }
    assert_eq!(subject.exit(), 7, "a crash loop ends with the program's exit code");
    assert!(harness.event_within("started", std::time::Duration::ZERO).is_none());
}

#[test]
fn term_ends_a_back_off_at_once() {
    let mut harness = Harness::new();
    let mut subject = harness.run(&["--restart"], "echo started >>$EVENTS; exit 7");
    for _ in 0..4 {
        harness.event("started");
    }
    // The fourth start failed; the next is about two seconds away.
    subject.signal(Signal::SIGTERM);
    assert!([7, 143].contains(&subject.exits_promptly()));
    assert!(harness.event_within("started", std::time::Duration::ZERO).is_none());
}

#[test]
fn output_is_wrapped_line_by_line_on_request() {
    let harness = Harness::new();
    let script = r"printf 'one\ntwo 1%%\rtwo 2%%\rtwo 100%%\nlast'; echo oops >&2";
    assert_eq!(harness.run(&["--child-logs", "prefix"], script).exit(), 0);
    assert_eq!(harness.stdout(), "sh | one\nsh | two 100%\nsh | last\n");
    assert_eq!(harness.stderr(), "sh | oops\n");
    assert_eq!(harness.run(&["--child-logs", "json"], script).exit(), 0);
    let objects: Vec<serde_json::Value> =
        harness.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<_> = objects.iter().map(|object| object["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["one", "two 100%", "last"]);
}

#[test]
fn a_wrong_setting_is_reported_before_anything_runs() {
    let harness = Harness::new();
    let mut subject = harness.run(&["--grace", "10"], "echo started >>$EVENTS");
    assert_eq!(subject.exit(), 78);
    assert!(harness.stderr().contains("CAULDRON_GRACE"), "{}", harness.stderr());
    assert_eq!(harness.stdout(), "");
}
