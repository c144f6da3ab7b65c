//! The runbooks of docs/, followed to their ends by one who has only the page (reader.rs).

use std::fs;
use std::time::Instant;

use crate::installation::{Installation, SECRET, SITE};
use crate::made::{Later, images};
use crate::podman::repository;
use crate::reader::{LONG, Reader, between, blocks, lines};
use crate::release::LATER;
use crate::secrets::keys;
use crate::servers::{PASSWORD, Setup};
use crate::support::wait::eventually;

const TEST: &str = "the_runbooks_end_as_their_pages_say";
const BACKUPS: &str =
    "frappe: {backup: {enabled: true, to: /backups/erp, claim: erp-backups, passwordSecret: erp-backup}}";
const ROLES: &str = "select count(*) from \"tabRole\"";

/// docs/operations.md, "A failed migration" and "Restore when no pod runs".
fn a_failed_migration_is_undone(reader: &Reader, release: &Later) {
    let before = reader.sql("frappe", ROLES);
    reader.says(&format!(
        "helm upgrade erp charts/cauldron-frappe -n cauldron --reuse-values --set frappe.image.repository={}",
        release.image
    ));
    let status = eventually(LONG, "the migration failed", || {
        let status = reader.shell.run(
            "kubectl -n cauldron exec deploy/erp-cauldron-frappe-web -- cauldron-frappe maintenance status",
            "",
        );
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        status.contains("gate        failed").then_some(status)
    });
    assert_eq!(reader.asks("pid").0, 503);
    // The control: it had changed something.
    assert_eq!(reader.sql("frappe", ROLES), "0");
    let time = between(&status, "/backups/", ".dump").to_owned();

    let steps = blocks("operations.md", "Restore when no pod runs");
    reader.says("helm rollback erp");
    reader.stops();
    reader.follows(&steps[1], &[], "");
    assert!(reader.says("$R cauldron-frappe maintenance status").contains(&time));
    let majors = reader.says("$R ls /usr/lib/postgresql");
    let restore = &steps[3][steps[3].find("$R /usr/lib").expect("pg_restore")..];
    let filled = [("<server's major>", &*majors), ("DB_HOST", "postgres"), ("<time>", &time)];
    reader.follows(restore, &filled, &format!("{PASSWORD}\n"));
    assert_eq!(reader.sql("frappe", ROLES), before);
    reader.follows(&lines(&steps[4], |line| !line.contains("--clone")), &[], "");
    reader.says("kubectl -n cauldron rollout status deploy/erp-cauldron-frappe-web --timeout=180s");
    reader.has_its_key();
    assert_eq!(reader.sql("frappe", ROLES), before);
}

/// docs/backups.md, "See and use them", and docs/operations.md, "Restore a lost volume". Returns the backup's id.
fn a_lost_volume_comes_back(reader: &Reader) -> String {
    let bench_id = reader.common_config()["bench_id"].clone();
    for block in &blocks("backups.md", "See and use them") {
        reader.follows(block, &[], "");
    }
    reader.says("kubectl -n cauldron delete pod erp-repository");
    reader.stops();
    reader.loses_the_volume();
    reader.says("helm upgrade erp charts/cauldron-frappe -n cauldron --reuse-values");
    let refusal = eventually(LONG, "the bootstrap is refused", || {
        let log = reader.log("bootstrap");
        log.contains("refusal: volume-lost").then_some(log)
    });
    // The control: nothing is served without the volume.
    assert_ne!(reader.asks("tell_secret?name=mail").0, 200);
    let backup = between(&refusal, "the newest on record, ", ",").to_owned();
    let id = between(&refusal, "CAULDRON_ADOPT=", " ");
    let filled = [("BACKUP", &*backup), ("=ID", &format!("={id}"))];
    reader.follows(&blocks("operations.md", "Restore a lost volume")[0], &filled, "");
    reader.says(
        "kubectl -n cauldron wait --for=condition=complete job --timeout=180s -l \
         app.kubernetes.io/instance=erp,app.kubernetes.io/component=bootstrap",
    );
    reader.has_its_key();
    assert_eq!(reader.common_config()["bench_id"], bench_id);
    backup
}

/// docs/restore.md, "In Kubernetes", and docs/operations.md, "Copies".
fn another_cluster_gets_the_site(reader: &Reader, backup: &str) {
    reader.stops();
    reader.loses_the_volume();
    reader.sql("postgres", "drop database frappe with (force)");
    reader.sql("postgres", "drop role frappe");
    let page = fs::read_to_string(repository().join("docs/restore.md")).expect("the page");
    let chapter = page.split("\n## In Kubernetes\n").nth(1).expect("the chapter");
    let values = between(chapter, "```yaml\n", "```").replace("20261130T014800Z-1a2b3c", backup);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("values");
        path.display().to_string()
    };
    let (backups, restore) = (file("backups.yaml", BACKUPS), file("restore.yaml", &values));
    reader.says(&format!("helm install erp charts/cauldron-frappe -n cauldron -f {backups} -f {restore}"));
    reader.says(
        "kubectl -n cauldron wait --for=condition=complete job --timeout=180s -l \
         app.kubernetes.io/instance=erp,app.kubernetes.io/component=restore",
    );
    // The control: the Job is what made it; nobody bootstraps, and nothing is served.
    assert_eq!(reader.log("bootstrap"), "");
    assert_ne!(reader.asks("tell_secret?name=mail").0, 200);
    reader.says(&format!("helm upgrade erp charts/cauldron-frappe -n cauldron -f {backups}"));
    reader.says(
        "kubectl -n cauldron wait --for=condition=complete job --timeout=180s -l \
         app.kubernetes.io/instance=erp,app.kubernetes.io/component=bootstrap",
    );
    reader.has_its_key();
    let muted = || {
        let path = reader.cluster.state().installation.volume().join(SITE).join("site_config.json");
        fs::read_to_string(path).expect("the file").contains("mute_emails")
    };
    assert!(muted(), "a copy sends no mail");
    let accept = &blocks("operations.md", "Copies")[0];
    let printed = reader.follows(&lines(accept, |line| line.contains("grep -o")), &[], "");
    let id = printed.lines().next().and_then(|line| line.strip_prefix("CAULDRON_CLONE=")).expect("the id");
    reader.follows(&lines(accept, |line| !line.contains("grep -o")), &[(" ID", &format!(" {id}"))], "");
    assert!(!muted(), "it is accepted");
    reader.says("kubectl -n cauldron rollout status deploy/erp-cauldron-frappe-web --timeout=180s");
    reader.has_its_key();
}

#[test]
fn the_runbooks_end_as_their_pages_say() {
    if !images(TEST) {
        return;
    }
    let release = Later::new("runbooks", |release| {
        let body = "local.db.sql('DELETE FROM \"tabRole\"')\nlocal.db.commit()\nassert False, 'not today'";
        release.patch("two", body).field("desk/doctype/note/note", "colour", LATER)
    });
    let secrets = [
        (SECRET, keys(&[("db-root-password", PASSWORD), ("admin-password", "admin")])),
        ("erp-backup", keys(&[("password", "of-the-repository")])),
    ];
    let setup = Setup::default();
    let Some(installation) = Installation::of(TEST, "runbooks", &[], &setup, secrets.into()) else { return };
    installation.claim_of_name("erp-backups");
    let reader = Reader::new(installation);
    let told = |what: &str, began: Instant| eprintln!("{TEST}: {what} in {:?}", began.elapsed());

    let began = Instant::now();
    let values = BACKUPS.replace("frappe: {backup: {", "").replace("}}", "");
    let values = values.replace(": ", "=").replace(", ", ",frappe.backup.");
    reader.says(&format!("helm install erp charts/cauldron-frappe -n cauldron --set frappe.backup.{values}"));
    eventually(LONG, "the site is there", || (reader.asks("pid").0 == 200).then_some(()));
    reader.keeps_a_secret();
    told("an installation", began);

    let began = Instant::now();
    a_failed_migration_is_undone(&reader, &release);
    told("a failed migration", began);
    let began = Instant::now();
    let backup = a_lost_volume_comes_back(&reader);
    told("a lost volume", began);
    let began = Instant::now();
    another_cluster_gets_the_site(&reader, &backup);
    told("another cluster", began);
}
