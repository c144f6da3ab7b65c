//! A verification whose processes are ended from outside says nothing about the backup; one whose code fails does.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kills::running_in;
use crate::repository::Backed;
use crate::stage::keeps_its_code;
use crate::support::wait::eventually;

const LONG: Duration = Duration::from_secs(180);

/// Waits for a file, and fails.
const PATCH: &str = r#"
import os, time

def execute():
    open("BEGAN", "w").close()
    while not os.path.exists("GO"):
        time.sleep(0.05)
    raise Exception("the patch failed")
"#;

/// The process in scratch whose command line has this word.
fn process(scratch: &Path, word: &str) -> i32 {
    let running = || running_in(scratch).into_iter().find(|(_, line)| line.contains(word));
    eventually(LONG, "the process", running).0
}

#[test]
fn a_verification_that_is_ended_from_outside_gives_no_verdict() {
    let backed = Backed::new();
    let stage = &backed.archived.stage;
    if keeps_its_code(stage, "a_verification_that_is_ended_from_outside") {
        return;
    }
    backed.backup();
    let (began, go) = (backed.folder.path().join("began"), backed.folder.path().join("go"));
    let scratch = backed.folder.path().join("scratch");
    let package = stage.bench.path().join("apps/frappe/frappe");
    let patch = PATCH.replace("BEGAN", &began.display().to_string()).replace("GO", &go.display().to_string());
    fs::write(package.join("patches/v15_0/waits.py"), patch).expect("a patch");
    let patches = package.join("patches.txt");
    let text = fs::read_to_string(&patches).expect("patches.txt");
    fs::write(&patches, format!("{}\nfrappe.patches.v15_0.waits\n", text.trim_end())).expect("patches.txt");
    let verified = || backed.command("backup list").run().exits(0).stdout;
    for (killed, code) in [("redis-server", 75), ("bin/postgres", 75), ("bench_helper", 75), ("", 65)] {
        let _ = (fs::remove_file(&began), fs::remove_file(&go));
        let verify = backed.command("backup verify").spawn();
        eventually(LONG, "the patch runs", || began.exists().then_some(()));
        if !killed.is_empty() {
            let pid = Pid::from_raw(process(&scratch, killed));
            kill(pid, Signal::SIGKILL).expect("a process");
        }
        fs::write(&go, "").expect("a file");
        let ended = verify.end_within(LONG);
        assert_eq!(ended.exit, code, "{killed}: {ended}");
        match code {
            75 => assert!(!verified().contains("failed "), "{killed}: {}", verified()),
            _ => assert!(verified().contains("failed "), "the control: {}", verified()),
        }
        backed.no_scratch_is_left();
    }
}
