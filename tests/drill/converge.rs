//! Plain starts of the same pod, until one succeeds.

use std::time::{Duration, Instant};

use crate::drill_stage::DrillStage;
use crate::stage::{DATABASE, held_at};
use crate::support::barrier::{Barrier, Held};
use crate::support::binary::LONG;
use crate::support::trace::Trace;
use crate::support::wait::within;

/// A start during the server's crash may need another start; more would be a loop.
const MAX_TRIES: usize = 4;
/// The codes for "start again": any other code except 0 would need a person.
pub const AGAIN: [i32; 2] = [69, 75];
/// The first steps with a session, of a creation and of the migrate that completes one.
const AT_WORK: &str = "core_tables,migrate:locked";

#[derive(Clone, Copy, Debug)]
pub struct Converged {
    pub tries: usize,
    pub elapsed: Duration,
}

/// Starts the pod until the site is complete. `orphan` is an earlier step that still waits at its barrier: it continues
/// when the new leader works, and must find that it may not.
///
/// # Errors
/// The failure.
pub fn converge(stage: &DrillStage, trace: &Trace, mut orphan: Option<Held>) -> Result<Converged, String> {
    let began = Instant::now();
    let mut logs = String::new();
    for tries in 1..=MAX_TRIES {
        let exit = start(stage, trace, &mut orphan, &mut logs)?;
        if exit == 0 {
            let converged = Converged { tries, elapsed: began.elapsed() };
            drop(orphan);
            stage.check().map_err(|miss| format!("{miss}\n{logs}"))?;
            let overlaps = trace.overlaps();
            if !overlaps.is_empty() {
                return Err(format!("steps of an older attempt continued: {overlaps:?}\n{logs}"));
            }
            return Ok(converged);
        }
        if !AGAIN.contains(&exit) {
            return Err(format!("exit {exit}\n{logs}"));
        }
        // A migrate waits only one second for a file lock that the orphan holds.
        drop(orphan.take());
    }
    Err(format!("not after {MAX_TRIES} starts\n{logs}"))
}

fn start(
    stage: &DrillStage,
    trace: &Trace,
    orphan: &mut Option<Held>,
    logs: &mut String,
) -> Result<i32, String> {
    let barrier = Barrier::at(AT_WORK);
    let mut pod = held_at(stage.pod(trace), &barrier).spawn();
    let mut seen = Ok(());
    let exit = within(LONG, || {
        if let Some(held) = barrier.wait_or_none(Duration::ZERO) {
            seen = seen.clone().and(sessions_of_others(stage, held.pid));
            drop(orphan.take());
            held.release();
        }
        pod.exit()
    });
    *logs += &format!("--- exit {exit:?}\n{}", pod.log());
    seen.map_err(|miss| format!("{miss}\n{logs}"))?;
    exit.ok_or_else(|| format!("not ended within {LONG:?}\n{logs}"))
}

/// Checks that no older attempt has a session when the new leader is at its barrier.
///
/// # Errors
/// The sessions of older attempts.
pub fn sessions_of_others(stage: &DrillStage, worker: u32) -> Result<(), String> {
    let environment = std::fs::read(format!("/proc/{worker}/environ")).unwrap_or_default();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let own = environment.split('\0').find_map(|line| line.strip_prefix("PGAPPNAME=")).unwrap_or_default();
    let sql = format!(
        "SELECT string_agg(application_name, ' ') FROM pg_stat_activity WHERE datname = '{DATABASE}'
         AND application_name ~ '^cauldron/[a-z0-9]{{20}}$' AND application_name <> '{own}'"
    );
    match stage.postgres.session("postgres").value(&sql) {
        Some(others) => Err(format!("{own} works, and these have sessions: {others}")),
        None => Ok(()),
    }
}
