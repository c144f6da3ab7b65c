//! A healthy site: reported as such in both formats, without secrets, and left unchanged.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::examined::Examined;
use crate::stage::{self, DATABASE, REDIS_PASSWORD, doctor, examine};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::binary::Binary;
use crate::support::port;
use crate::support::postgres::PASSWORD;
use crate::support::stage::{Stage, ready};

/// Checks that may differ from ok on a test machine: its disks, and the supervisor, since no role runs.
const OF_THE_MACHINE: [&str; 4] = ["volume-filesystem", "volume-space", "volume-inodes", "supervisor"];

#[test]
fn everything_is_ok_and_nothing_is_changed() {
    let stage = stage::healthy();
    let before = stage.snapshot();
    let keys: Vec<String> = stage.redis.ask(1, &["KEYS", "*"]);
    let examined = examine(&stage).exits(0);
    for finding in &examined.findings {
        // No repository of backups is set here, which is no fault.
        let no_backups = finding.id == "backups" && finding.severity == "info";
        let expected =
            finding.severity == "ok" || no_backups || OF_THE_MACHINE.contains(&finding.id.as_str());
        assert!(expected, "{finding:?}");
    }
    stage.is_unchanged_since(&before);
    assert_eq!(keys, stage.redis.ask::<Vec<String>>(1, &["KEYS", "*"]));
    // Every question in the table of docs/doctor.md has an answer.
    let page = include_str!("../../docs/doctor.md");
    let table = page.split("<!-- doctor -->").nth(1).and_then(|rest| rest.split("<!-- end").next());
    for line in table.expect("a table").lines().filter(|line| line.starts_with("| `")) {
        let id = line.split('`').nth(1).expect("an id");
        assert!(examined.findings.iter().any(|finding| finding.id == id), "{id} was not reported");
    }
    no_secret_is_shown(&stage, &examined);
    as_text_every_finding_has_a_line(&stage, &examined);
}

/// Covers every kind of secret, including those in files.
fn no_secret_is_shown(stage: &Stage, examined: &Examined) {
    let config = stage.site_config();
    let text = |key: &str| config[key].as_str().expect("text").to_owned();
    let own = [text("db_password"), text("encryption_key")];
    let given = [PASSWORD, ADMIN_PASSWORD, REDIS_PASSWORD].map(str::to_owned);
    for secret in own.iter().chain(&given) {
        assert!(!examined.text.contains(secret.as_str()), "{secret} is in:\n{}", examined.text);
    }
    assert!(examined.text.contains(DATABASE));
}

fn as_text_every_finding_has_a_line(stage: &Stage, examined: &Examined) {
    let ended = stage.manifest("doctor").run().exits(0);
    for finding in &examined.findings {
        assert!(ended.stdout.contains(&format!("  {}", finding.id)), "{}:\n{}", finding.id, ended.stdout);
    }
    assert!(ended.stdout.contains("0 errors, ") && ended.stdout.contains("exit code 0"), "{}", ended.stdout);
}

#[test]
fn a_follower_needs_no_administrator_login() {
    let stage = stage::healthy();
    let follower = doctor(&stage).unset("DB_USER").unset("DB_PASSWORD").unset("ADMIN_PASSWORD");
    let report = Examined::from(follower.run()).exits(0);
    assert!(report.problems().is_empty(), "{}", report.shown());
    let report = report.reports("postgres-connection", "ok", DATABASE);
    report.reports("login-rights", "ok", "none is needed");
}

#[test]
fn a_site_that_does_not_exist_yet_is_no_error() {
    let stage = stage::empty();
    let report = examine(&stage).exits(0).reports("site", "info", "creates it");
    let report = report.reports("database", "info", "the bootstrap creates it");
    let report = report.reports("database-role", "info", "the bootstrap creates it");
    report.reports("common-config", "info", "db_host").reports("site-login", "info", "skipped");
}

#[test]
fn a_running_role_is_found() {
    let stage = stage::healthy();
    let web = port::free();
    let pod = ready(stage.manifest("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{web}")));
    let health = format!("127.0.0.1:{}", pod.health_port());
    let report = Examined::from(doctor(&stage).set("CAULDRON_HEALTH_ADDR", health).run()).exits(0);
    report.reports("supervisor", "ok", "web is in phase serving");
    pod.signal(Signal::SIGTERM);
    pod.end().exits(0);
}

/// Tools read stdout: it contains one object; the log goes to stderr.
#[test]
fn a_report_is_written_even_without_any_setting() {
    let ended = Binary::new(&["doctor", "--format", "json"]).run().exits(78);
    let report: Value = serde_json::from_str(&ended.stdout).expect("one object");
    assert_eq!(report["exit_code"], 78);
    Examined::from(ended).reports("configuration", "error", "SITE_NAME");
}
