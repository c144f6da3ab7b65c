//! SIGKILL at every step of a creation, of the migrate that completes one, and of our own statements around them.

use std::time::Instant;

use crate::converge::{AGAIN, converge};
use crate::drill_stage::DrillStage;
use crate::pool::in_parallel;
use crate::scale::scale;
use crate::stage::{DATABASE, held_at, kill_9};
use crate::strike::{VICTIMS, Victim};
use crate::support::barrier::{Barrier, Held};
use crate::support::binary::{LONG, Pod};
use crate::support::session::Session;
use crate::support::trace::Trace;
use crate::support::wait::{eventually, within};
use crate::table::{Life, conclude};

/// Frappe's steps at which a creation is killed, in order.
pub const CREATION: [&str; 15] = [
    "folders",
    "site_config",
    "core_tables",
    "extra_tables",
    "installing:frappe",
    "doctype:User",
    "doctypes:frappe",
    "installed_apps:frappe",
    "patch_log:frappe",
    "administrator",
    "administrator_password",
    "after_install:frappe",
    "scheduled_jobs:frappe",
    "scheduler_set",
    "scheduler_enabled",
];
/// The steps of the migrate that completes a creation that was killed late.
const COMPLETING: [&str; 6] = [
    "migrate:locked",
    "migrate:pre_patches",
    "migrate:schema",
    "migrate:patches",
    "migrate:jobs",
    "migrate:versions",
];
/// Our own statements, each blocked by a lock on the catalog table that it writes: CREATE ROLE, COMMENT ON ROLE, CREATE
/// DATABASE.
const PROVISIONING: [&str; 3] = ["pg_authid", "pg_shdescription", "pg_database"];
/// The record of the end: everything is created, and that is not recorded yet.
const RECORDING: &str = "__cauldron_state";

#[test]
fn killed_at_every_edge() {
    let began = Instant::now();
    let edges: Vec<&str> =
        CREATION.into_iter().chain(COMPLETING).chain(PROVISIONING).chain([RECORDING]).collect();
    let cases: Vec<(&str, Victim)> = if scale().everything {
        edges.iter().flat_map(|edge| VICTIMS.map(|victim| (*edge, victim))).collect()
    } else {
        edges.iter().zip(VICTIMS.into_iter().cycle()).map(|(edge, victim)| (*edge, victim)).collect()
    };
    let lives =
        in_parallel(|case| case < cases.len(), |stage, case| life(stage, cases[case].0, cases[case].1));
    conclude("killed at every edge", began.elapsed(), &lives);
}

fn life(stage: &DrillStage, edge: &str, victim: Victim) -> Life {
    let trace = Trace::new();
    // If no step runs, the supervisor is killed instead.
    let victim = match victim {
        Victim::Step if edge == RECORDING || PROVISIONING.contains(&edge) => Victim::Supervisor,
        victim => victim,
    };
    let outcome = match edge {
        RECORDING => killed_before_the_record(stage, &trace, victim),
        edge if PROVISIONING.contains(&edge) => killed_provisioning(stage, &trace, edge, victim),
        edge => {
            if COMPLETING.contains(&edge) {
                cut_off(stage, &trace, "administrator_password");
            }
            killed_at(stage, &trace, edge, victim)
        }
    };
    let outcome = outcome.and_then(|orphan| converge(stage, &trace, orphan));
    Life { case: format!("edge {edge}"), hits: vec![(victim, edge.to_owned())], outcome }
}

/// Creates a site and kills its step at that point.
pub fn cut_off(stage: &DrillStage, trace: &Trace, step: &str) {
    let barrier = Barrier::at(step);
    let pod = held_at(stage.pod(trace), &barrier).spawn();
    kill_9(barrier.wait(LONG).pid);
    pod.end().exits(75);
}

fn killed_at(stage: &DrillStage, trace: &Trace, edge: &str, victim: Victim) -> Result<Option<Held>, String> {
    let barrier = Barrier::at(edge);
    let pod = held_at(stage.pod(trace), &barrier).spawn();
    let held = barrier.wait(LONG);
    strike(stage, victim, &pod);
    ended(stage, pod, victim)?;
    // Without its supervisor, the step still waits at the barrier.
    Ok((victim == Victim::Supervisor).then_some(held))
}

fn killed_provisioning(
    stage: &DrillStage,
    trace: &Trace,
    catalogue: &str,
    victim: Victim,
) -> Result<Option<Held>, String> {
    let blocker = stage.postgres.session("postgres");
    blocker.run(&format!("BEGIN; LOCK TABLE pg_catalog.{catalogue} IN SHARE MODE"));
    let pod = stage.pod(trace).spawn();
    is_waiting(stage, &pod);
    strike(stage, victim, &pod);
    drop(blocker);
    ended(stage, pod, victim)
}

fn killed_before_the_record(
    stage: &DrillStage,
    trace: &Trace,
    victim: Victim,
) -> Result<Option<Held>, String> {
    let barrier = Barrier::at("scheduler_enabled");
    let pod = held_at(stage.pod(trace), &barrier).spawn();
    let held = barrier.wait(LONG);
    let blocker = Session::open(&stage.postgres.config(DATABASE)).expect("a session");
    blocker.run(&format!("BEGIN; LOCK TABLE public.{RECORDING} IN SHARE MODE"));
    held.release();
    is_waiting(stage, &pod);
    strike(stage, victim, &pod);
    drop(blocker);
    ended(stage, pod, victim)
}

/// Waits until one of our statements waits for the lock.
fn is_waiting(stage: &DrillStage, pod: &Pod) {
    let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE application_name LIKE 'cauldron/%' AND wait_event_type = 'Lock')::text";
    eventually(LONG, &format!("our statement waits:\n{}", pod.log()), || {
        (stage.postgres.session("postgres").value(sql).as_deref() == Some("true")).then_some(())
    });
}

fn strike(stage: &DrillStage, victim: Victim, pod: &Pod) {
    let server = stage.postgres.session("postgres");
    assert!(victim.strike(&server, pod), "no {victim:?} to kill:\n{}", pod.log());
}

fn ended(stage: &DrillStage, mut pod: Pod, victim: Victim) -> Result<Option<Held>, String> {
    let exit = within(LONG, || pod.exit());
    stage.server_is_up();
    match (victim, exit) {
        (Victim::Supervisor, Some(-9)) => Ok(None),
        (Victim::Step | Victim::Backend, Some(exit)) if AGAIN.contains(&exit) => Ok(None),
        (_, exit) => Err(format!("exit {exit:?} after its {victim:?} was killed\n{}", pod.log())),
    }
}
