//! The normal upgrade: a new image, its migration, and which pods serve meanwhile.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::release::LATER;
use crate::stage::{GateStage, LONG, ONCE, SITE};
use crate::support::barrier::Barrier;
use crate::support::binary::Binary;
use crate::support::generation::{Generation, of_each_generation};
use crate::support::wait::eventually;

pub fn held_at(binary: Binary, barrier: &Barrier) -> Binary {
    barrier.environment().into_iter().fold(binary, |binary, (name, value)| binary.set(name, value))
}

of_each_generation![a_new_release_is_migrated_to_once];

fn a_new_release_is_migrated_to_once(generation: Generation) {
    let stage = GateStage::with_release_of(generation);
    let old = stage.state("fingerprint");
    stage.leader_on(&stage.new).run().exits(0).event("migration.backup_taken").event("migration.finished");
    stage.is_migrated();
    assert_ne!(stage.state("fingerprint"), old);
    assert_eq!(stage.backups().len(), 1);
    stage.leader_on(&stage.new).run().exits(0).event("site.up_to_date");
    stage.is_migrated();
    assert_eq!(stage.backups().len(), 1);
}

#[test]
fn a_changed_readme_causes_no_migration() {
    let stage = GateStage::new();
    stage.release().file("README.md", "new").file("utils/notes.py", "x = 1\n");
    stage.leader_on(&stage.new).run().exits(0).event("site.up_to_date");
    assert!(stage.backups().is_empty());
}

/// Web processes of a Frappe that keeps the configuration in memory would write beside the migration.
#[test]
fn migrate_begins_when_web_has_read_the_maintenance_mode() {
    let stage = GateStage::with_release();
    let source = stage.new.path().join("apps/frappe/frappe/config.py");
    let cache = "\n_cached_get_site_config = None  # site_cache(ttl=5)(get_site_config)\n";
    fs::write(&source, fs::read_to_string(&source).expect("config.py") + cache).expect("config.py");
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    leader.event("migration.waiting_for_web");
    assert!(stage.in_maintenance());
    let held = barrier.wait(LONG);
    let site_config = stage.old().sites().join(SITE).join("site_config.json");
    let set = fs::metadata(site_config).and_then(|file| file.modified()).expect("site_config.json");
    assert!(set.elapsed().expect("a time in the past") >= Duration::from_secs(5));
    held.release();
    leader.end().exits(0);
}

/// Hooks differ and nothing is pending: migrate runs without stopping requests or jobs.
#[test]
fn with_nothing_pending_nothing_is_stopped() {
    let stage = GateStage::new();
    stage.release().hooks("app_color = 'blue'");
    let web = stage.serve(stage.old());
    let barrier = Barrier::at("migrate:patches");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    assert_eq!(web.ping(), 200);
    assert_eq!(stage.redis_value("cauldron:gate:one"), None);
    held.release();
    leader.end().exits(0).says("\"no_op\":true");
    assert!(!stage.in_maintenance());
    stage.leader_on(&stage.new).run().exits(0).event("site.up_to_date");
    web.stop();
}

/// The old pods stay ready, answer 503 during maintenance and 200 after it.
#[test]
fn the_old_version_serves_until_maintenance_and_again_after_it() {
    let stage = GateStage::with_release();
    let mut web = stage.serve(stage.old());
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    web.comes_to(503);
    web.pod.says("web.probe_failed");
    eventually(LONG, "the status shows the migration", || web.status()["gate"]["running"].as_str().map(drop));
    web.pod.answers("/readyz", 200);
    assert_eq!(web.status()["gate"]["stage"], "migrating");
    let page = web.get_with("/app", "Accept: text/html");
    assert_eq!((page.status, page.header("retry-after")), (503, "5"));
    assert!(
        page.body.contains("This site is being updated") && !page.body.contains("patches"),
        "{}",
        page.body
    );
    assert_eq!(web.get_with("/api/method/ping", "Accept: application/json").header("retry-after"), "5");
    held.release();
    leader.end().exits(0);
    web.comes_to(200);
    web.pod.event("web.reload_requested");
    stage.is_migrated();
    eventually(LONG, "the relation is updated", || {
        (web.status()["fingerprint"]["relation"] == "older").then_some(())
    });
    web.stop();
}

/// All pods share the key: whatever a pod of the old version writes to it during the migration, it has the new names
/// when requests are served again.
#[test]
fn the_names_of_the_assets_are_set_before_requests_are_served() {
    let stage = GateStage::with_release();
    let web = stage.serve(stage.old());
    let set = stage.redis.ask::<Vec<u8>>(0, &["GET", "assets_json"]);
    assert!(!set.is_empty(), "the leader's");
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    web.comes_to(503);
    stage.redis.ask::<()>(0, &["SET", "assets_json", "an old pod's"]);
    held.release();
    web.comes_to(200);
    assert_eq!(stage.redis.ask::<Vec<u8>>(0, &["GET", "assets_json"]), set);
    leader.end().exits(0);
    web.stop();
}

/// A newer pod that may not lead is not ready until its tables exist, and then needs no restart.
#[test]
fn newer_pods_wait_and_continue_without_a_restart() {
    let stage = GateStage::with_release();
    let mut worker = stage.command_on(&stage.new, "worker").set("WORKER_QUEUES", "default").start();
    worker.says("this code is newer than the database");
    worker.answers("/readyz", 503);
    stage.leader_on(&stage.new).run().exits(0);
    worker.answers("/readyz", 200);
    let status: serde_json::Value = serde_json::from_str(&worker.body("/status")).expect("JSON");
    assert_eq!(status["fingerprint"]["relation"], "equal");
    assert_eq!(status["fingerprint"]["pod"].as_str(), stage.state("fingerprint").as_deref());
}

#[test]
fn the_configured_number_of_backups_is_kept_without_our_tables() {
    let stage = GateStage::new();
    for (number, name) in ["three", "four"].into_iter().enumerate() {
        stage.release().patch(name, "pass");
        let ended = stage.leader_on(&stage.new).set("CAULDRON_MIGRATE_BACKUPS", "1").run().exits(0);
        assert_eq!(stage.backups().len(), 1, "after {} migrations: {ended}", number + 1);
    }
    let backup = stage.backups().remove(0);
    let list =
        std::process::Command::new("pg_restore").arg("--list").arg(&backup).output().expect("pg_restore");
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("tabUser") && !list.contains("__cauldron"), "{list}");
    stage.release().patch("five", "pass");
    // The name until 0.2.0.
    let ended = stage.leader_on(&stage.new).set("CAULDRON_BACKUP", "0").run().exits(0);
    ended.event("migration.backup_disabled").event("config.unused");
    assert_eq!(stage.backups(), [backup]);
}

/// Maintenance that an operator switched on stays on.
#[test]
fn maintenance_of_an_operator_stays() {
    let stage = GateStage::with_release();
    stage.edit_site_config(|config| {
        config.insert("maintenance_mode".to_owned(), json!(1));
    });
    stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    assert!(stage.in_maintenance());
    assert_eq!(stage.gate()["maintenance_ours"], false);
}

#[test]
fn a_site_without_a_record_is_migrated_too() {
    let stage = GateStage::with_release();
    stage.session().run("DROP TABLE public.__cauldron_state, public.__cauldron_fingerprint");
    stage.leader_on(&stage.new).run().exits(0).event("site.completing").event("migration.backup_taken");
    stage.is_migrated();
    assert_eq!(stage.state("phase").as_deref(), Some("complete"));
}

/// Patch lists in the old format, with statements in them, as apps of version 14 have them.
#[test]
fn statements_in_the_list_of_patches_are_patches() {
    let stage = GateStage::new();
    let list = std::fs::read_to_string(stage.new.path().join("apps/frappe/frappe/patches.txt")).unwrap();
    let text = format!("{list}execute:frappe.local.db.set_single('Patched', 'two', 1)\n");
    stage.release().file("patches.txt", &text);
    stage.leader_on(&stage.new).run().exits(0).says("\"patches\":1");
    assert_eq!(stage.ran().as_deref(), Some("1"));
    stage.release().patch("two", ONCE).field("desk/doctype/note/note", "colour", LATER);
    stage.leader_on(&stage.new).run().exits(0).says("\"patches\":1");
    assert_eq!(stage.ran().as_deref(), Some("2"), "the statement was not run again");
}
