//! Killed anywhere on the way, it converges, and nothing that was logged runs twice.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{LONG, Place};
use crate::support::barrier::Barrier;
use crate::support::wait::eventually;
use crate::upgrade::held_at;

const STEPS: [&str; 4] =
    ["migrate:locked", "doctype:Note", "patch:frappe.patches.v15_1.two", "migrate:versions"];

#[derive(Clone, Copy, Debug)]
enum Victim {
    Supervisor,
    Migrate,
    Backend,
}

fn strike(place: &Place, step: &str, victim: Victim) {
    let barrier = Barrier::at(step);
    let leader = held_at(place.leader(&place.new), &barrier).start();
    let held = barrier.wait(LONG);
    match victim {
        Victim::Supervisor => leader.signal(Signal::SIGKILL),
        Victim::Migrate => kill(Pid::from_raw(held.pid as i32), Signal::SIGKILL).expect("migrate"),
        Victim::Backend => {
            let sql = "select pg_terminate_backend(pid) from pg_stat_activity
                       where application_name ~ '^cauldron/[a-z0-9]{20}$' and datname = current_database()";
            place.site().run(sql);
        }
    }
    if matches!(victim, Victim::Supervisor) {
        // migrate goes on without it: the next leader ends its session.
        drop(leader);
        held.release();
    } else {
        held.release();
        leader.says("the migration failed");
        drop(leader);
    }
    place.leader(&place.new).run().exits(0);
    place.is_migrated();
    assert!(
        place
            .postgres
            .run("frappe", "select 1 from \"tabPatch Log\" group by patch having count(*) > 1")
            .is_empty()
    );
}

#[test]
fn the_supervisor() {
    for step in STEPS {
        strike(&Place::with_release(), step, Victim::Supervisor);
    }
}

#[test]
fn migrate_itself() {
    for step in STEPS {
        strike(&Place::with_release(), step, Victim::Migrate);
    }
}

#[test]
fn its_backend() {
    for step in STEPS {
        strike(&Place::with_release(), step, Victim::Backend);
    }
}

/// Between the record and the rest: the next leader, of whichever version, tells everybody.
#[test]
fn after_it_was_recorded() {
    let place = Place::with_release();
    place.leader(&place.new).run().exits(0);
    let gate = r#"{"stage": "finishing", "maintenance_ours": true}"#;
    place.site().run(&format!("update public.__cauldron_state set gate = '{gate}'"));
    let config = format!("{}/site_config.json", crate::place::SITE);
    let mut keys = place.old.read_config(&config);
    keys.insert("maintenance_mode".into(), 1.into());
    std::fs::write(place.old.sites().join(&config), serde_json::to_string(&keys).unwrap()).unwrap();
    place.leader(&place.old).run().exits(0).says("finishing what an earlier leader had migrated");
    place.is_migrated();
}

/// Eight pods of two versions, started at once: one migrates, all of them serve.
#[test]
fn pods_of_two_versions_in_any_order() {
    let place = Place::with_release();
    let mut pods: Vec<_> =
        (0..4).map(|number| place.start_web(if number % 2 == 0 { &place.old } else { &place.new })).collect();
    for pod in &mut pods {
        pod.pod.answers("/readyz", 200);
        pod.comes_to(200);
    }
    place.is_migrated();
    let migrated = pods.iter().filter(|pod| pod.pod.log().contains("the apps are migrated")).count();
    assert_eq!(migrated, 1);
    eventually(LONG, "all ready", || pods.iter().all(|pod| pod.pod.probe("/readyz") == 200).then_some(()));
    for pod in pods {
        pod.stop();
    }
}
