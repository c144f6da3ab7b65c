//! Frappe's process contract: the behaviour on which this project relies, asserted on the sample bench and on Frappe.
//!
//! `observe` runs a bench and notes facts. If CAULDRON_TEST_BENCH names a real bench, they are written to the record of
//! its generation (tests/contract/frappe-15.json, frappe-16.json); otherwise each sample bench is compared with its record.

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
#[path = "contract/supported.rs"]
mod supported;
#[path = "contract/web.rs"]
mod web;

use facts::Facts;
use support::bench::Bench;
use support::generation::Generation;
use support::skip::skipped;

/// One part of the record: its name, and the function that observes it.
type Part = (&'static str, fn(Bench, &mut Facts));

/// Observes the real bench, or compares the sample bench of this generation with the record of a real one.
fn check(generation: Generation, part: Part) {
    match Bench::under_test() {
        Some(bench) if bench.generation() == generation => record::update(part, bench),
        Some(_) => skipped(part.0, "the bench under test is of the other generation"),
        None if !record::has(generation, part.0) => {
            skipped(part.0, "no real bench of this version was observed in this part")
        }
        None => {
            let mut bench = Bench::sample_of(generation);
            // The real one of Frappe 16 keeps it for 60 s, in which it was observed; longer here, so that no fact depends on how
            // long the observation takes. Other tests do not wait for it.
            bench.add_environment("SAMPLE_CONFIG_CACHE_S", "3600");
            record::compare(part, bench);
        }
    }
}

const NEW_SITE_KILLED: Part = ("new_site_killed", kill::observe);
const COMMANDS: Part = ("commands", commands::observe);
const WEB: Part = ("web", web::observe);
const APPS: Part = ("apps", apps::observe);
const JOBS: Part = ("jobs", jobs::observe);
const PROCESSES: Part = ("processes", processes::observe);

/// Declares a test of every part for a generation.
macro_rules! contract_of {
    ($module:ident, $generation:ident) => {
        mod $module {
            use super::*;

            #[test]
            fn new_site_killed_at_every_edge() {
                check(Generation::$generation, NEW_SITE_KILLED);
            }

            #[test]
            fn commands_and_their_exit_codes() {
                check(Generation::$generation, COMMANDS);
            }

            #[test]
            fn web_answers_and_stops() {
                check(Generation::$generation, WEB);
            }

            #[test]
            fn apps_that_disagree() {
                check(Generation::$generation, APPS);
            }

            #[test]
            fn running_jobs() {
                check(Generation::$generation, JOBS);
            }

            #[test]
            fn workers_scheduler_and_socketio() {
                check(Generation::$generation, PROCESSES);
            }
        }
    };
}
contract_of!(frappe_15, Frappe15);
contract_of!(frappe_16, Frappe16);

/// Negative control: if a record differs in one fact, exactly that fact is named.
#[test]
fn one_changed_fact_is_found() {
    let record = record::read(Generation::Frappe15).expect("a record");
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
