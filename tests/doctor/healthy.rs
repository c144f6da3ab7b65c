//! A site that is well: told so, in both forms, without a secret, and left as it was.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::examined::{DATABASE, Examined, Place, REDIS_PASSWORD, SITE};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::binary::Binary;
use crate::support::port;
use crate::support::postgres::PASSWORD;
use crate::support::snapshot;

/// What may differ from ok on a machine of tests: its disks, its users, and that no role runs.
const OF_THE_MACHINE: [&str; 4] = ["volume-filesystem", "volume-space", "volume-inodes", "supervisor"];

#[test]
fn all_is_ok_and_nothing_is_changed() {
    let place = Place::healthy();
    let before = (snapshot::files(&place.bench), snapshot::cluster(&place.postgres));
    let keys: Vec<String> = place.redis.ask(1, &["KEYS", "*"]);
    let examined = place.examined().exits(0);
    for finding in &examined.findings {
        let expected = finding.severity == "ok" || OF_THE_MACHINE.contains(&finding.id.as_str());
        assert!(expected, "{finding:?}");
    }
    snapshot::same(&before.0, &snapshot::files(&place.bench));
    snapshot::same(&before.1, &snapshot::cluster(&place.postgres));
    assert_eq!(keys, place.redis.ask::<Vec<String>>(1, &["KEYS", "*"]));
    // Every question of docs/doctor.md's table has an answer.
    let page = include_str!("../../docs/doctor.md");
    let table = page.split("<!-- doctor -->").nth(1).and_then(|rest| rest.split("<!-- end").next());
    for line in table.expect("a table").lines().filter(|line| line.starts_with("| `")) {
        let id = line.split('`').nth(1).expect("an id");
        assert!(examined.findings.iter().any(|finding| finding.id == id), "{id} was not told");
    }
    no_secret_is_told(&place, &examined);
    as_text_every_finding_has_a_line(&place, &examined);
}

/// Secrets of every kind, those in files too.
fn no_secret_is_told(place: &Place, examined: &Examined) {
    let config = place.bench.read_config(&format!("{SITE}/site_config.json"));
    let text = |key: &str| config[key].as_str().expect("text").to_owned();
    let own = [text("db_password"), text("encryption_key")];
    let given = [PASSWORD, ADMIN_PASSWORD, REDIS_PASSWORD].map(str::to_owned);
    for secret in own.iter().chain(&given) {
        assert!(!examined.text.contains(secret.as_str()), "{secret} is in:\n{}", examined.text);
    }
    assert!(examined.text.contains(DATABASE));
}

fn as_text_every_finding_has_a_line(place: &Place, examined: &Examined) {
    let ended = place.manifest("doctor").run().exits(0);
    for finding in &examined.findings {
        assert!(ended.stdout.contains(&format!("  {}", finding.id)), "{}:\n{}", finding.id, ended.stdout);
    }
    assert!(ended.stdout.contains("0 errors, ") && ended.stdout.contains("exit code 0"), "{}", ended.stdout);
}

#[test]
fn followers_and_owners_need_no_administrator() {
    let place = Place::healthy();
    let follower = place.doctor().unset("DB_USER").unset("DB_PASSWORD").unset("ADMIN_PASSWORD");
    let told = Examined::from(follower.run()).exits(0);
    assert!(told.complaints().is_empty(), "{}", told.shown());
    let told = told.tells("postgres-connection", "ok", DATABASE);
    told.tells("login-rights", "ok", "none is needed");
}

#[test]
fn a_site_that_is_still_to_be_made_is_no_error() {
    let place = Place::empty();
    let told = place.examined().exits(0).tells("site", "info", "creates it");
    let told = told.tells("database", "info", "the bootstrap makes it");
    let told = told.tells("database-role", "info", "the bootstrap makes it");
    told.tells("common-config", "info", "db_host").tells("site-login", "info", "skipped");
}

#[test]
fn the_role_that_runs_here_is_found() {
    let place = Place::healthy();
    let web = port::free();
    let mut pod = place.manifest("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{web}")).start();
    pod.answers("/readyz", 200);
    let health = format!("127.0.0.1:{}", pod.health_port());
    let told = Examined::from(place.doctor().set("CAULDRON_HEALTH_ADDR", health).run()).exits(0);
    told.tells("supervisor", "ok", "web is in phase serving");
    pod.signal(Signal::SIGTERM);
    pod.end().exits(0);
}

/// Tools read stdout: one object, and the log elsewhere.
#[test]
fn without_anything_there_is_a_report_too() {
    let ended = Binary::new(&["doctor", "--format", "json"]).run().exits(78);
    let report: Value = serde_json::from_str(&ended.stdout).expect("one object");
    assert_eq!(report["exit_code"], 78);
    Examined::from(ended).tells("configuration", "error", "SITE_NAME");
}
