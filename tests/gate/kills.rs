//! Killed at any point, the migration converges, and no patch that was logged runs twice.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use rand::RngExt;

use crate::release::LATER;
use crate::stage::{GateStage, LONG};
use crate::support::barrier::Barrier;
use crate::support::binary::Pod;
use crate::support::generation::{Generation, of_each_generation};
use crate::support::moments::{self, is_drill};
use crate::upgrade::held_at;

const STEPS: [&str; 4] =
    ["migrate:locked", "doctype:Note", "patch:frappe.patches.v15_1.two", "migrate:versions"];

#[derive(Clone, Copy, Debug)]
enum Victim {
    Supervisor,
    Migrate,
    Backend,
}

/// Returns all steps in `make drill`, else two: each step is tested with some victim.
fn steps(victim: Victim) -> impl Iterator<Item = &'static str> {
    let first = victim as usize;
    (0..if is_drill() { STEPS.len() } else { 2 }).map(move |number| STEPS[(first + number * 2) % STEPS.len()])
}

fn strike(stage: &GateStage, step: &str, victim: Victim) {
    let barrier = Barrier::at(step);
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    match victim {
        Victim::Supervisor => leader.signal(Signal::SIGKILL),
        Victim::Migrate => kill(Pid::from_raw(held.pid as i32), Signal::SIGKILL).expect("migrate"),
        Victim::Backend => {
            let sql = "select pg_terminate_backend(pid) from pg_stat_activity
                       where application_name ~ '^cauldron/[a-z0-9]{20}$' and datname = current_database()";
            stage.session().run(sql);
        }
    }
    if matches!(victim, Victim::Supervisor) {
        // migrate continues without its supervisor: the next leader ends its session.
        drop(leader);
        held.release();
    } else {
        held.release();
        leader.event("migration.failed");
        drop(leader);
    }
    stage.without_pause();
    stage.leader_on(&stage.new).run().exits(0);
    stage.is_migrated();
    assert!(
        stage
            .postgres
            .run("frappe", "select 1 from \"tabPatch Log\" group by patch having count(*) > 1")
            .is_empty()
    );
}

of_each_generation![killed_supervisor, killed_migrate];

fn killed_supervisor(generation: Generation) {
    for step in steps(Victim::Supervisor) {
        strike(&GateStage::with_release_of(generation), step, Victim::Supervisor);
    }
}

fn killed_migrate(generation: Generation) {
    for step in steps(Victim::Migrate) {
        strike(&GateStage::with_release_of(generation), step, Victim::Migrate);
    }
}

#[test]
fn killed_backend() {
    for step in steps(Victim::Backend) {
        strike(&GateStage::with_release(), step, Victim::Backend);
    }
}

/// Killed after the migration was recorded: the next leader, of either version, does the rest.
#[test]
fn killed_after_the_record() {
    let stage = GateStage::with_release();
    stage.leader_on(&stage.new).run().exits(0);
    let gate = r#"{"stage": "finishing", "maintenance_ours": true}"#;
    stage.session().run(&format!("update public.__cauldron_state set gate = '{gate}'"));
    stage.edit_site_config(|config| {
        config.insert("maintenance_mode".to_owned(), 1.into());
    });
    stage.leader_on(stage.old()).run().exits(0).event("migration.finishing_earlier");
    stage.is_migrated();
}

/// SIGKILL at random moments of a migration: release after release, each killed once and still migrated to. `make
/// drill` does it a hundred times; CAULDRON_DRILL_SEED repeats a run. A moment after the end of the migration does not
/// count: it is checked like the others, and the next try comes earlier.
#[test]
fn killed_at_random_moments() {
    let kills = if is_drill() { 100 } else { 6 };
    let mut dice = moments::random();
    let stage = GateStage::new();
    let (mut hits, mut tries, mut longest_ms) = (0, 0, 1_500);
    while hits < kills {
        let number = tries;
        tries += 1;
        assert!(tries <= 5 * kills, "{hits} of {tries} moments were in a migration");
        let (patch, field) = (format!("p{number}"), format!("c{number}"));
        let body = format!(
            "runs = int(local.db.get_single('Patched', '{patch}') or 0)\nlocal.db.set_single('Patched', '{patch}', runs + 1)"
        );
        stage.release().patch(&patch, &body).field("desk/doctype/note/note", &field, LATER);
        let victim = [Victim::Supervisor, Victim::Migrate, Victim::Backend][hits % 3];
        let leader = stage.leader_on(&stage.new).set("SAMPLE_BENCH_PACE_MS", "2").start();
        leader.says("Migrating erp.test");
        std::thread::sleep(Duration::from_millis(dice.random_range(0..longest_ms)));
        if struck(&stage, &leader, victim) {
            hits += 1;
        } else {
            longest_ms = (longest_ms * 2 / 3).max(50);
        }
        drop(leader);
        stage.without_pause();
        stage.leader_on(&stage.new).run().exits(0);
        assert_eq!(stage.logged(&patch), "1", "{patch}, after the {victim:?}");
        let ran = format!("select value from \"tabSingles\" where doctype = 'Patched' and field = '{patch}'");
        assert_eq!(stage.session().value(&ran).as_deref(), Some("1"), "{patch}, after the {victim:?}");
        assert_eq!(stage.gate()["stage"], "open", "{patch}, after the {victim:?}");
        assert!(!stage.in_maintenance());
    }
    println!("drill: {hits} kills met their victim in a migration, {tries} of {tries} moments converged");
}

/// Kills the victim; returns true if it existed.
fn struck(stage: &GateStage, leader: &Pod, victim: Victim) -> bool {
    let migrate = children(leader.pid());
    match victim {
        Victim::Supervisor => {
            leader.signal(Signal::SIGKILL);
            !migrate.is_empty()
        }
        Victim::Migrate => migrate.iter().any(|pid| kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok()),
        Victim::Backend => !stage
            .session()
            .run(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where application_name ~ '^cauldron/[a-z0-9]{20}$' and datname = current_database()",
            )
            .is_empty(),
    }
}

fn children(pid: u32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}
