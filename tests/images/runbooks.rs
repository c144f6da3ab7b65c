//! The runbooks of docs/, followed to their ends by one who has only the page (reader.rs).

use std::fs;
use std::time::Instant;

use crate::installation::{Installation, SECRET, SITE};
use crate::made::{Later, images};
use crate::night::Night;
use crate::protected::{a_backup_in_the_night, a_verification_and_its_evidence, rows_come_back};
use crate::reader::{LONG, Reader, between, blocks, lines, values};
use crate::release::LATER;
use crate::rotation::{REDIS_PASSWORD, REPOSITORY_PASSWORD, redis_urls, rotates_passwords};
use crate::secrets::keys;
use crate::servers::{PASSWORD, Setup};
use crate::support::wait::eventually;

const TEST: &str = "the_runbooks_end_as_their_pages_say";
const VALUES: &str = "frappe:
  redis: {urlSecret: redis-urls}
  backup: {enabled: true, to: /backups/erp, claim: erp-backups, passwordSecret: erp-backup, verify: {enabled: true, scratchSize: 1Gi}}
";
const ROLES: &str = "select count(*) from \"tabRole\"";

/// docs/operations.md, "Scaling". Three web pods and two of workers stay.
fn scales(reader: &Reader) {
    let step = &blocks("operations.md", "Scaling")[0];
    reader.notices(&step.replace("-web ", "-webs "), &[], "");
    reader.follows(step, &[], "");
    assert_eq!((reader.pods_of("web"), reader.pods_of("worker")), (3, 2));
    let processes = reader.says(
        "kubectl -n cauldron exec deploy/erp-cauldron-frappe-worker -- cauldron-frappe status --format json | \
         jq '.children | length'",
    );
    assert_eq!(processes, "4");
    reader.does_a_job();
}

/// docs/operations.md, "Stop a migration" and "A failed migration", with the rows of docs/3am.md; then "Restore when no pod
/// runs".
fn a_failed_migration_is_undone(reader: &Reader, night: &Night, release: &Later) {
    let before = reader.sql("frappe", ROLES);
    reader.says(&format!(
        "helm upgrade erp charts/cauldron-frappe -n cauldron --reuse-values --set frappe.image.repository={}",
        release.image
    ));
    let volume = reader.cluster.state().installation.volume();
    eventually(LONG, "the patch runs", || volume.join("held").exists().then_some(()));
    let stop = blocks("operations.md", "Stop a migration");
    let seen = reader.follows(&stop[0], &[], "");
    assert!(seen.contains("v15_1.two"), "{seen}");
    assert!(night.follows(reader, "cf $(pod bootstrap) status", &[]).contains("v15_1.two"));
    fs::write(volume.join("go"), "").expect("the patch goes on");
    eventually(LONG, "the migration gave up", || {
        reader.log("bootstrap").contains("migration-gave-up").then_some(())
    });
    assert_eq!(reader.asks("pid").0, 503);
    // The control: it had changed something.
    assert_eq!(reader.sql("frappe", ROLES), "0");
    night.fails(reader, "cf $(pod web) migrate --retry");
    let status = night.follows(reader, "cf web maintenance status", &[]);
    let time = between(&status, "/backups/", ".dump").to_owned();

    let to_stop = |line: &str| line.contains("delete job") || line.contains("--for=delete");
    let labels = lines(&stop[0], |line| line.starts_with("L="));
    reader.follows(&format!("{labels}{}", lines(&stop[1], to_stop)), &[], "");
    night.follows(reader, "cf web maintenance off --force", &[]);
    night.follows(reader, "helm -n $NS rollback $R $FORCE", &[]);
    eventually(LONG, "the site is up", || (reader.asks("pid").0 == 200).then_some(()));
    assert_eq!(reader.sql("frappe", ROLES), "0", "the tables stay as they are");

    let steps = blocks("operations.md", "Restore when no pod runs");
    reader.stops();
    reader.follows(&steps[1], &[], "");
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
    reader.follows(
        &blocks("backups.md", "See and use them")[0].replace("erp-backup-now", "erp-backup-then"),
        &[],
        "",
    );
    reader.stops();
    reader.loses_the_volume();
    reader.says("helm upgrade erp charts/cauldron-frappe -n cauldron --reuse-values $FORCE");
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
fn another_cluster_gets_the_site(reader: &Reader, night: &Night, backup: &str) {
    reader.stops();
    reader.loses_the_volume();
    reader.sql("postgres", "drop database frappe with (force)");
    reader.sql("postgres", "drop role frappe");
    let values = values("restore.md", "In Kubernetes").replace("20261130T014800Z-1a2b3c", backup);
    let (backups, restore) = (reader.values("values.yaml", VALUES), reader.values("restore.yaml", &values));
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
    night.follows(reader, "cf web migrate --clone ID", &[(" ID", &format!(" {id}"))]);
    reader.follows(&lines(accept, |line| line.contains("rollout restart")), &[], "");
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
        let sites = "/home/frappe/frappe-bench/sites";
        let body = format!(
            "import os, time\nopen('{sites}/held', 'w').close()\nwhile not os.path.exists('{sites}/go'):\n    time.sleep(0.05)\n\
             local.db.sql('DELETE FROM \"tabRole\"')\nlocal.db.commit()\nassert False, 'not today'"
        );
        release.patch("two", &body).field("desk/doctype/note/note", "colour", LATER)
    });
    let [cache, queue] = redis_urls(REDIS_PASSWORD);
    let secrets = [
        (SECRET, keys(&[("db-root-password", PASSWORD), ("admin-password", "admin")])),
        ("erp-backup", keys(&[("password", REPOSITORY_PASSWORD)])),
        ("redis-urls", keys(&[("redis-cache", &cache), ("redis-queue", &queue)])),
    ];
    let setup = Setup::default();
    let Some(installation) = Installation::of(TEST, "runbooks", &[], &setup, secrets.into()) else { return };
    installation.claim_of_name("erp-backups");
    installation.servers.have_redis_password(REDIS_PASSWORD);
    let (reader, night) = (Reader::new(installation), Night::new());
    let told = |what: &str, procedure: &mut dyn FnMut()| {
        let began = Instant::now();
        procedure();
        eprintln!("{TEST}: {what} in {:?}", began.elapsed());
    };

    told("an installation", &mut || {
        let values = reader.values("values.yaml", VALUES);
        reader.says(&format!("helm install erp charts/cauldron-frappe -n cauldron -f {values}"));
        eventually(LONG, "the site is there", || (reader.asks("pid").0 == 200).then_some(()));
        reader.keeps_a_secret();
    });

    told("scaling", &mut || scales(&reader));
    let mut backup = String::new();
    told("a backup with three replicas", &mut || backup = a_backup_in_the_night(&reader));
    told("a verification", &mut || a_verification_and_its_evidence(&reader, &backup));
    told("rows of two days ago", &mut || rows_come_back(&reader, &backup));
    let one = "frappe.replicas.web=1,frappe.replicas.worker=1,frappe.worker.pools=";
    reader.says(&format!("helm upgrade erp charts/cauldron-frappe -n cauldron --reuse-values --set {one}"));
    reader.says("kubectl -n cauldron rollout status deploy -l app.kubernetes.io/instance=erp --timeout=180s");
    told("the rows of a healthy site", &mut || night.of_a_healthy_site(&reader));
    told("passwords", &mut || rotates_passwords(&reader));
    told("a failed migration", &mut || a_failed_migration_is_undone(&reader, &night, &release));
    told("a lost volume", &mut || backup = a_lost_volume_comes_back(&reader));
    told("another cluster", &mut || another_cluster_gets_the_site(&reader, &night, &backup));
    night.was_followed();
}
