//! Many orphans; a separate file, since the test uses every processor and other tests measure time.

mod kernel;

use kernel::Harness;

/// Uses 10,000 orphans in a drill and 2,000 otherwise; tokens in a pipe limit the living ones to 500.
#[test]
fn thousands_of_orphans_are_reaped_and_none_is_left() {
    let count = if std::env::var_os("CAULDRON_DRILL_ROUNDS").is_some() { 10_000 } else { 2_000 };
    let mut harness = Harness::new();
    let program = format!(
        "import os
tokens, back = os.pipe()
os.write(back, b'.' * 500)
for _ in range({count}):
    os.read(tokens, 1)
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os.write(back, b'.')
            os._exit(3)
        os._exit(0)
    os.waitpid(child, 0)
"
    );
    let script = format!(
        "python3 -c \"{program}\"; while ps -o stat= --ppid $PPID | grep -q Z; do :; done; echo reaped >>$EVENTS"
    );
    let mut command = harness.command(&["--log-level", "debug"], &script);
    command.env("CAULDRON_LOG_FORMAT", "json");
    let mut subject = harness.start(command);
    harness.event_within("reaped", std::time::Duration::from_secs(180)).expect("the last orphan is reaped");
    assert_eq!(subject.exit(), 0);
    let reaped = harness.stderr().lines().filter(|line| line.contains("process.orphan_reaped")).count();
    assert!(reaped >= count, "{reaped} orphans");
}
