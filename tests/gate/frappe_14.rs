//! A database of Frappe 14 that 14 never migrated: it has no record of its version, patches that 15 lacks, and DocTypes
//! that 15 deletes.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::stage::{GateStage, LONG};
use crate::support::barrier::Barrier;
use crate::upgrade::held_at;

/// The old image and the tables are as of Frappe 14; the new image has the DocTypes of 15 that are named.
fn stage(of_15: &[&str]) -> GateStage {
    let stage = GateStage::with_release();
    for name in of_15 {
        let file = name.to_lowercase().replace(' ', "_");
        let folder = stage.new.path().join("apps/frappe/frappe/desk/doctype").join(&file);
        fs::create_dir_all(&folder).expect("a folder");
        let doctype = json!({"name": name, "doctype": "DocType", "module": "Desk", "fields": [],
            "modified": "2023-01-01 00:00:00.000000"});
        fs::write(folder.join(file + ".json"), doctype.to_string()).expect("a DocType");
    }
    let site = stage.session();
    let tables = "select string_agg(format('drop table public.%I cascade', tablename), ';') from pg_tables
                  where tablename like '\\_\\_cauldron%'";
    site.run(&site.value(tables).expect("our tables"));
    site.run("delete from \"tabInstalled Application\"");
    site.run(
        "insert into \"tabDocType\" (name, module, issingle, istable, modified)
         values ('Event Consumer', 'Desk', 0, 0, '2022-01-01')",
    );
    site.run(
        "insert into \"tabPatch Log\" (name, patch, skipped)
         values ('14', 'frappe.patches.v14_0.event_streaming_deprecation_warning', 0)",
    );
    stage
}

fn has_orphan(stage: &GateStage) -> bool {
    stage.session().is("exists (select from \"tabDocType\" where name = 'Event Consumer')")
}

#[test]
fn it_is_upgraded() {
    let stage = stage(&["Reminder"]);
    stage.leader_on(&stage.new).with_command("plan").run().exits(0).prints("newer");
    stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    assert!(!has_orphan(&stage) && stage.logged("two") == "1");
}

/// The DocTypes of 15 are there by then, and what 15 deletes is, too.
#[test]
fn the_upgrade_is_finished_after_a_kill_before_its_deletions() {
    let stage = stage(&["Recorder", "Submission Queue"]);
    let barrier = Barrier::at("migrate:jobs");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    leader.signal(Signal::SIGKILL);
    drop(leader);
    held.release();
    assert!(has_orphan(&stage));
    stage.without_pause();
    stage.leader_on(&stage.new).run().exits(0);
    assert!(!has_orphan(&stage) && stage.logged("two") == "1");
}

/// The negative control: without them, the tables may be of newer code.
#[test]
fn tables_of_unknown_code_are_not() {
    let stage = stage(&[]);
    stage.leader_on(&stage.new).run().exits(65).refuses("code-not-newer").says("Event Consumer");
    assert!(has_orphan(&stage));
}
