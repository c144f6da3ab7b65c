//! `exec -- bench restore` and similar commands lock the site exclusively: pods suspend it, and resume without help.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;

use crate::processes::{children, status};
use crate::stage::{DATABASE, LONG, SITE};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::binary::Binary;
use crate::support::http;
use crate::support::postgres::{PASSWORD, SUPERUSER};
use crate::support::stage::ready;
use crate::support::wait::eventually;

use crate::all::AllStage;

const REINSTALL: [&str; 8] = [
    "reinstall",
    "--yes",
    "--admin-password",
    ADMIN_PASSWORD,
    "--db-root-username",
    SUPERUSER,
    "--db-root-password",
    PASSWORD,
];

fn exec(stage: &AllStage) -> Binary {
    exec_of(stage, &REINSTALL)
}

fn exec_of(stage: &AllStage, command: &[&str]) -> Binary {
    let sites = stage.bench.sites().display().to_string();
    let mut exec = stage.all().under(&["env", "-C", &sites]).with_command("exec").argument("--");
    for word in ["python", "-m", "frappe.utils.bench_helper", "frappe", "--site", SITE].iter().chain(command)
    {
        exec = exec.argument(word);
    }
    exec
}

#[test]
fn pods_suspend_a_site_that_is_reinstalled() {
    let stage = AllStage::new();
    let mut pod = ready(stage.all());
    // Negative control: the scheduler's leader alone is enough to keep the database from being dropped.
    let refused = stage.bench.run(&[&["--site", SITE][..], &REINSTALL].concat());
    assert_ne!(refused.exit, Some(0), "{}", refused.text);
    assert!(refused.text.contains("being accessed by other users"), "{}", refused.text);
    let before =
        stage.postgres.run("postgres", &format!("SELECT oid FROM pg_database WHERE datname = '{DATABASE}'"));
    let mut running = exec(&stage).spawn();
    pod.event("site.suspended");
    eventually(LONG, "nothing runs", || children(&pod).is_empty().then_some(()));
    assert_eq!((pod.probe("/livez"), pod.probe("/readyz")), (200, 503));
    assert!(pod.body("/readyz").contains("`bench reinstall` on "), "{}", pod.body("/readyz"));
    let answer = http::get(stage.port, SITE, "/api/method/ping").expect("an answer");
    assert_eq!(answer.status, 503);
    // No other command gets the lock meanwhile.
    if running.exit().is_none() {
        exec(&stage).run().exits(75).refuses("site-locked");
    }
    running.end_within(LONG).exits(0).event("site.exclusive_lock_acquired");
    // The pod resumes without help, with the new database.
    pod.answers("/readyz", 200);
    let after =
        stage.postgres.run("postgres", &format!("SELECT oid FROM pg_database WHERE datname = '{DATABASE}'"));
    assert_ne!(before, after);
    assert_eq!(http::status(stage.port, SITE, "/api/method/ping"), 200);
    assert_eq!(children(&pod).len(), 5);
    assert_eq!(status(&pod)["phase"], "serving");
    pod.signal(Signal::SIGTERM);
    pod.end_within(Duration::from_secs(20)).exits(0);
}

fn backup(stage: &AllStage, path: &str) {
    let ran = stage.bench.run(&["--site", SITE, "backup", "--backup-path-db", path]);
    assert_eq!(ran.exit, Some(0), "{}", ran.text);
}

fn restore(stage: &AllStage, path: &str) {
    let command = ["restore", path, "--db-root-username", SUPERUSER, "--db-root-password", PASSWORD];
    exec_of(stage, &command).run().exits(0).event("site.exclusive_lock_acquired");
}

/// The values of mute_emails and pause_scheduler in site_config.json.
fn is_muted(stage: &AllStage) -> [bool; 2] {
    let config = stage.site_config();
    ["mute_emails", "pause_scheduler"].map(|key| config.get(key).is_some_and(|value| value == 1))
}

#[test]
fn only_a_restore_of_a_foreign_backup_makes_a_copy() {
    let (stage, other) = (AllStage::new(), AllStage::new());
    let folder = tempfile::tempdir().expect("a folder");
    let [own, foreign] = ["own", "foreign"].map(|name| folder.path().join(name).display().to_string());
    for (stage, path) in [(&stage, &own), (&other, &foreign)] {
        stage.all().with_command("bootstrap").run().exits(0);
        backup(stage, path);
    }
    let mut pod = ready(stage.all());
    for _ in 0..2 {
        restore(&stage, &own);
        pod.answers("/readyz", 200);
        eventually(LONG, "it serves again", || (status(&pod)["phase"] == "serving").then_some(()));
        assert_eq!(is_muted(&stage), [false, false], "{}", pod.log());
        assert_eq!(status(&pod)["bootstrap"]["copy_of"], serde_json::Value::Null);
    }
    // Two controls: the dump of another installation, and a restore without the exclusive lock.
    let mark = stage.bench.sites().join(format!(".cauldron/{SITE}/restore.json"));
    assert!(!mark.exists(), "the mark of a restore still exists");
    restore(&stage, &foreign);
    pod.answers("/readyz", 200);
    assert_eq!(is_muted(&stage), [true, true], "{}", pod.log());
    pod.signal(Signal::SIGTERM);
    pod.end_within(Duration::from_secs(20)).exits(0);
    let plain = ["--site", SITE, "restore", own.as_str(), "--db-root-username", SUPERUSER];
    let ran = other.bench.run(&[&plain[..], &["--db-root-password", PASSWORD]].concat());
    assert_eq!(ran.exit, Some(0), "{}", ran.text);
    other.all().with_command("bootstrap").run().exits(0).event("site.is_copy");
    assert_eq!(is_muted(&other), [true, true]);
}

#[test]
fn a_start_waits_for_an_exclusive_lock_unless_it_is_stale() {
    let stage = AllStage::new();
    stage.all().with_command("bootstrap").run().exits(0);
    let hold = stage.bench.sites().join(".cauldron").join(SITE).join("hold");
    let text = r#"{"id": "other", "host": "pod-7", "command": "bench restore"}"#;
    fs::write(&hold, text).expect("a hold");
    let mut pod = stage.all().start();
    pod.says("`bench restore` on pod-7 has the site");
    assert_eq!((pod.probe("/startupz"), pod.probe("/readyz")), (200, 503));
    // The command that locked it was killed more than an hour ago.
    let stale = SystemTime::now() - Duration::from_secs(3601);
    File::options().write(true).open(&hold).and_then(|file| file.set_modified(stale)).expect("a time");
    pod.answers("/readyz", 200);
}
