//! Frappe's process contract: the behaviour on which this project relies, asserted on the sample bench and on Frappe.
//!
//! `observe` runs a bench and notes facts. If CAULDRON_TEST_BENCH names a real bench, they are written to
//! tests/contract/frappe-15.json; otherwise the sample bench is compared with that record.

mod support;

#[path = "contract/apps.rs"]
mod apps;
#[path = "contract/commands.rs"]
mod commands;
#[path = "contract/edges.rs"]
mod edges;
#[path = "contract/facts.rs"]
mod facts;
#[path = "contract/gate.rs"]
mod gate;
#[path = "contract/jobs.rs"]
mod jobs;
#[path = "contract/kill.rs"]
mod kill;
#[path = "contract/processes.rs"]
mod processes;
#[path = "contract/record.rs"]
mod record;
#[path = "contract/servers.rs"]
mod servers;
#[path = "contract/web.rs"]
mod web;

use facts::Facts;
use support::bench::Bench;

/// One part of the record: its name, and the function that observes it.
type Part = (&'static str, fn(Bench, &mut Facts));

fn check(part: Part) {
    match Bench::under_test() {
        Some(bench) => record::update(part, bench),
        None => record::compare(part, Bench::sample()),
    }
}

#[test]
fn new_site_killed_at_every_edge() {
    check(("new_site_killed", kill::observe));
}

#[test]
fn commands_and_their_exit_codes() {
    check(("commands", commands::observe));
}

#[test]
fn web_answers_and_stops() {
    check(("web", web::observe));
}

#[test]
fn apps_that_disagree() {
    check(("apps", apps::observe));
}

#[test]
fn running_jobs() {
    check(("jobs", jobs::observe));
}

#[test]
fn workers_scheduler_and_socketio() {
    check(("processes", processes::observe));
}

/// Negative control: if a record differs in one fact, exactly that fact is named.
#[test]
fn one_changed_fact_is_found() {
    let record = record::read().expect("a record");
    for facts in record.facts.values() {
        assert!(facts.differences(facts).is_empty());
        for (name, real) in &facts.0 {
            let mut changed = facts.clone();
            changed.0.insert(name.clone(), serde_json::json!({ "not": real }));
            let expected = format!("{name}: {real} is not {}", changed.0[name]);
            assert_eq!(facts.differences(&changed), [expected]);
            changed.0.remove(name);
            assert_eq!(facts.differences(&changed), [format!("{name}: {real} is not (nothing)")]);
        }
    }
}
