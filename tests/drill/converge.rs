//! Plain starts of the same pod, until one says that the site is there.

use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::place::{DATABASE, held_at};
use crate::support::barrier::{Barrier, Held};
use crate::support::binary::LONG;
use crate::support::trace::Trace;
use crate::support::wait::within;

/// A start that meets the crash of the server before it may need another; a loop of them is none.
const MOST_TRIES: usize = 4;
/// "Start again": every other code but 0 would ask for a person.
pub const AGAIN: [i32; 2] = [69, 75];
/// The first steps of a creation and of the migrate that mends one, with a session open.
const AT_WORK: &str = "core_tables,migrate:locked";

#[derive(Clone, Copy, Debug)]
pub struct Converged {
    pub tries: usize,
    pub elapsed: Duration,
}

/// Starts the pod until the site is whole. `orphan` is a step of before that still waits at its barrier: it goes on when
/// the new leader works, and must find that it may not.
///
/// # Errors
/// What was missed.
pub fn converge(lab: &Lab, trace: &Trace, mut orphan: Option<Held>) -> Result<Converged, String> {
    let began = Instant::now();
    let mut logs = String::new();
    for tries in 1..=MOST_TRIES {
        let exit = start(lab, trace, &mut orphan, &mut logs)?;
        if exit == 0 {
            let converged = Converged { tries, elapsed: began.elapsed() };
            drop(orphan);
            lab.check().map_err(|miss| format!("{miss}\n{logs}"))?;
            let overlaps = trace.overlaps();
            if !overlaps.is_empty() {
                return Err(format!("steps of an older attempt went on: {overlaps:?}\n{logs}"));
            }
            return Ok(converged);
        }
        if !AGAIN.contains(&exit) {
            return Err(format!("exit {exit}\n{logs}"));
        }
        // A migrate waits a second for a file lock that the orphan holds, and no longer.
        drop(orphan.take());
    }
    Err(format!("not after {MOST_TRIES} starts\n{logs}"))
}

fn start(lab: &Lab, trace: &Trace, orphan: &mut Option<Held>, logs: &mut String) -> Result<i32, String> {
    let barrier = Barrier::at(AT_WORK);
    let mut pod = held_at(lab.pod(trace), &barrier).spawn();
    let mut seen = Ok(());
    let exit = within(LONG, || {
        if let Some(held) = barrier.wait_or_none(Duration::ZERO) {
            seen = seen.clone().and(sessions_of_others(lab, held.pid));
            drop(orphan.take());
            held.release();
        }
        pod.exit()
    });
    *logs += &format!("--- exit {exit:?}\n{}", pod.log());
    seen.map_err(|miss| format!("{miss}\n{logs}"))?;
    exit.ok_or_else(|| format!("not ended within {LONG:?}\n{logs}"))
}

/// At the new leader's barrier nobody of an older attempt has a session.
///
/// # Errors
/// Who has one.
pub fn sessions_of_others(lab: &Lab, worker: u32) -> Result<(), String> {
    let environment = std::fs::read(format!("/proc/{worker}/environ")).unwrap_or_default();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let own = environment.split('\0').find_map(|line| line.strip_prefix("PGAPPNAME=")).unwrap_or_default();
    let sql = format!(
        "SELECT string_agg(application_name, ' ') FROM pg_stat_activity WHERE datname = '{DATABASE}'
         AND application_name ~ '^cauldron/[a-z0-9]{{20}}$' AND application_name <> '{own}'"
    );
    match lab.place.postgres.session("postgres").value(&sql) {
        Some(others) => Err(format!("{own} works, and these have sessions: {others}")),
        None => Ok(()),
    }
}
