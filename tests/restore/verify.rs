//! `backup verify` and `backup open`: sound backups pass, and nothing gets out of scratch.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::repository::Backed;
use crate::stage::{content, files, keeps_its_code, new_stage};
use crate::support::binary::{Ended, Pod};
use crate::support::wait::eventually;

const LONG: Duration = Duration::from_secs(120);

pub fn report(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

/// Verifies the newest backup, which passes, with a report in JSON.
#[track_caller]
fn verified(backed: &Backed) -> Ended {
    backed.command("backup verify --format json").spawn().end_within(LONG).exits(0)
}

#[test]
fn a_sound_backup_passes_and_the_list_says_so() {
    let backed = Backed::new();
    let id = backed.backup();
    let stage = &backed.archived.stage;
    let before = (content(stage), files(stage));
    let ended = verified(&backed);
    let report = report(&ended.stdout);
    assert_eq!((&report["verdict"], &report["backup"]), (&"passed".into(), &id.clone().into()), "{report}");
    assert_eq!(report["rows_expected"], report["rows_found"]);
    let names: Vec<&str> =
        report["checks"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    let all = [
        "dump",
        "rows",
        "files",
        "key",
        "migrate",
        "list-apps",
        "set-admin-password",
        "serve",
        "login",
        "page",
    ];
    assert_eq!(names, all);
    let list = backed.command("backup list").run().exits(0);
    assert!(list.stdout.contains("passed "), "{list}");
    assert!((content(stage), files(stage)) == before, "the site is unchanged");
    backed.no_scratch_is_left();
    assert!(!ended.stderr.contains("canary"), "{ended}");
    let told = stage.bench.sites().join(".cauldron").join(stage.site).join("last_verified.json");
    let written: Value = serde_json::from_str(&fs::read_to_string(&told).expect("a verdict")).expect("JSON");
    assert_eq!((&written["id"], &written["passed"]), (&id.clone().into(), &true.into()), "{written}");
    assert_eq!(
        (&written["restore_ms"], &written["took_ms"]),
        (&report["restore_ms"], &report["duration_ms"])
    );
    let pod = stage.web().start();
    let status: Value = eventually(LONG, "a status with the verdict", || {
        let status: Value = serde_json::from_str(&pod.body("/status")).ok()?;
        status["last_verified"].is_object().then_some(status)
    });
    assert_eq!(status["last_verified"], written);
    let metrics = pod.body("/metrics");
    assert!(metrics.contains("cauldron_frappe_backup_verify_passed 1"), "{metrics}");
    assert!(metrics.contains("cauldron_frappe_backup_restore_duration_seconds "), "{metrics}");
    assert!(metrics.contains("cauldron_frappe_backup_verified_age_seconds "), "{metrics}");
    // A verification that ran without the volume: the next backup reads its verdict from the repository.
    fs::remove_file(&told).expect("a verdict");
    backed.backup();
    let read: Value = serde_json::from_str(&fs::read_to_string(&told).expect("a verdict")).expect("JSON");
    assert_eq!((&read["id"], &read["passed"], &read["restore_ms"]), (&id.into(), &true.into(), &Value::Null));
}

/// Frappe's list of apps is as the last migrate wrote it: it lacks an app that was installed since.
#[test]
fn a_backup_from_before_the_first_migrate_after_an_installation_passes() {
    let backed = Backed::new();
    let stage = &backed.archived.stage;
    stage
        .session()
        .run("update \"tabInstalled Application\" set app_name = 'of before' where app_name = 'frappe'");
    backed.backup();
    verified(&backed);
}

/// As in the chart's CronJob: neither the site's volume nor its database is there.
#[test]
fn an_installation_without_a_site_verifies_a_backup() {
    let backed = Backed::new();
    let id = backed.backup();
    let empty = new_stage();
    let verify = backed.with_repository(empty.manifest("backup verify"));
    verify.set("DB_HOST", "192.0.2.1").spawn().end_within(LONG).exits(0).event("verify.started");
    let list = backed.command("backup list").run().exits(0);
    assert!(list.stdout.contains(&id) && list.stdout.contains("passed "), "{list}");
    assert!(!empty.bench.sites().join(empty.site).exists());
    backed.no_scratch_is_left();
}

/// Tries to reach a port, the real Redis and the real sites.
const LEAK: &str = r#"
import os, socket
import redis

def execute():
    for attempt in (connect, enqueue, write):
        try:
            attempt()
        except Exception:
            pass

def connect():
    socket.create_connection(("127.0.0.1", PORT), timeout=2).close()

def enqueue():
    redis.Redis.from_url("REDIS").rpush("leaked", "job")

def write():
    with open("SITES/leaked", "w") as file:
        file.write("x")
    with open("SITES/SITE/leaked", "w") as file:
        file.write("x")
"#;

/// A site whose patch, and whose login, try to reach a port, the real Redis and the real sites.
pub struct Leaking<'a> {
    backed: &'a Backed,
    port: TcpListener,
}

impl<'a> Leaking<'a> {
    pub fn new(backed: &'a Backed) -> Self {
        let stage = &backed.archived.stage;
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        port.set_nonblocking(true).expect("a listener");
        let leak = LEAK
            .replace("PORT", &port.local_addr().unwrap().port().to_string())
            .replace("REDIS", &stage.redis.url(1))
            .replace("SITES", &stage.bench.sites().display().to_string())
            .replace("SITE/", &format!("{}/", stage.site));
        let package = stage.bench.path().join("apps/frappe/frappe");
        fs::write(package.join("patches/v15_0/leak.py"), leak).expect("a patch");
        let patches = package.join("patches.txt");
        let text = fs::read_to_string(&patches).expect("patches.txt");
        fs::write(&patches, format!("{}\nfrappe.patches.v15_0.leak\n", text.trim_end()))
            .expect("patches.txt");
        let session = package.join("session.py");
        let text = fs::read_to_string(&session).expect("session.py");
        let login = "def login(user, password):\n";
        let leaking = format!("{login}    from frappe.patches.v15_0.leak import execute\n    execute()\n");
        assert!(text.contains(login));
        fs::write(&session, text.replace(login, &leaking)).expect("session.py");
        Self { backed, port }
    }

    /// What got out: to the port, as files, as jobs.
    pub fn leaked(&self) -> (bool, usize, i64) {
        let stage = &self.backed.archived.stage;
        let paths = [stage.bench.sites().join("leaked"), stage.file("leaked")];
        let files = paths.iter().filter(|path| path.exists()).count();
        (self.port.accept().is_ok(), files, stage.redis.ask(1, &["LLEN", "leaked"]))
    }
}

#[test]
fn nothing_gets_out_of_scratch() {
    let backed = Backed::new();
    if keeps_its_code(&backed.archived.stage, "nothing_gets_out_of_scratch") {
        return;
    }
    backed.backup();
    let leaking = Leaking::new(&backed);
    let ended = verified(&backed);
    let report = report(&ended.stdout);
    assert_eq!(report["isolation"], serde_json::json!({"network": null, "files": null}), "{report}");
    assert_eq!(report["server"], "private");
    assert_eq!(leaking.leaked(), (false, 0, 0));
    // The same patch outside of scratch reaches everything.
    backed.archived.stage.leader().run().exits(0);
    assert_eq!(leaking.leaked(), (true, 2, 1));
}

#[test]
fn a_backup_is_opened_for_psql_until_the_command_is_stopped() {
    let backed = Backed::new();
    let id = backed.backup();
    let stage = &backed.archived.stage;
    stage.session().run("delete from \"tabNote\"");
    let opened = backed.command(&format!("backup open {id}")).spawn();
    assert_eq!(asked(&psql_line(&opened), "select count(*) from \"tabNote\""), "2000");
    opened.signal(Signal::SIGTERM);
    opened.end_within(LONG).exits(0);
    backed.no_scratch_is_left();
}

/// The command that an open backup prints.
#[track_caller]
pub fn psql_line(opened: &Pod) -> String {
    opened.event("backup.opened");
    eventually(LONG, "a psql line", || {
        let log = opened.log();
        log.lines().find(|line| line.starts_with("PGPASSWORD=")).map(str::to_string)
    })
}

/// What a psql command prints for a statement, on either stream.
pub fn asked(line: &str, sql: &str) -> String {
    let command = format!("{line} -Atc '{sql}' 2>&1");
    let output = std::process::Command::new("sh").args(["-c", &command]).output().expect("psql");
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}
