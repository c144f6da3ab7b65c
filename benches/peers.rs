//! `make bench`: comparison with tini, dumb-init, supervisord, wait-for-it, nginx, a bare gunicorn and restic.
//!
//! ```text
//!   Lab (binary, servers, site) ─▶ one file for each measurement ─▶ Row ─▶ table, target/bench.json
//! ```
//!
//! Within a measurement the subjects take turns, so that a temporary load of the machine affects all of them. The
//! release binary is measured; this program itself is built like the tests.

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "peers/backup.rs"]
mod backup;
#[path = "peers/backup_site.rs"]
mod backup_site;
#[path = "peers/beside_backup.rs"]
mod beside_backup;
#[path = "peers/child.rs"]
mod child;
#[path = "peers/clock.rs"]
mod clock;
#[path = "peers/creation.rs"]
mod creation;
#[path = "peers/events.rs"]
mod events;
#[path = "peers/exec.rs"]
mod exec;
#[path = "peers/fingerprint.rs"]
mod fingerprint;
#[path = "peers/first_answer.rs"]
mod first_answer;
#[path = "peers/front.rs"]
mod front;
#[path = "peers/front_files.rs"]
mod front_files;
#[path = "peers/front_proxied.rs"]
mod front_proxied;
#[path = "peers/gate.rs"]
mod gate;
#[path = "peers/gunicorn.rs"]
mod gunicorn;
#[path = "peers/idle.rs"]
mod idle;
#[path = "peers/join.rs"]
mod join;
#[path = "peers/kernel_account.rs"]
mod kernel_account;
#[path = "peers/lab.rs"]
mod lab;
#[path = "peers/nginx.rs"]
mod nginx;
#[path = "peers/publish.rs"]
mod publish;
#[path = "peers/report.rs"]
mod report;
#[path = "peers/restart.rs"]
mod restart;
#[path = "peers/restore.rs"]
mod restore;
#[path = "peers/samples.rs"]
mod samples;
#[path = "peers/size.rs"]
mod size;
#[path = "peers/started.rs"]
mod started;
#[path = "peers/supervisord.rs"]
mod supervisord;
#[path = "peers/term.rs"]
mod term;
#[path = "peers/wait_deps.rs"]
mod wait_deps;
#[path = "peers/warm_start.rs"]
mod warm_start;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use lab::Lab;
use report::Row;

type Measurement = fn(&Lab) -> Vec<Row>;

/// The measurements by their names in BENCH_ONLY. Those that need no servers and no site come first.
const MEASUREMENTS: [(&str, Measurement); 13] = [
    ("size", size::measure),
    ("exec", exec::measure),
    ("term", term::measure),
    ("restart", restart::measure),
    ("wait-deps", wait_deps::measure),
    ("web", warm_start::measure),
    ("idle", idle::measure),
    ("creation", creation::measure),
    ("publish", publish::measure),
    ("join", join::measure),
    ("fingerprint", fingerprint::measure),
    ("front", front::measure),
    ("backup", backup::measure),
];

fn main() -> ExitCode {
    let chosen = match chosen(std::env::var("BENCH_ONLY").ok()) {
        Ok(chosen) => chosen,
        Err(problem) => return refuse(&problem),
    };
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(problem) => return refuse(&problem),
    };
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (name, measure) in chosen {
        let begun = Instant::now();
        // A measurement that fails (a wait past its deadline) is reported, and the others still run.
        match catch_unwind(AssertUnwindSafe(|| measure(&lab))) {
            Ok(measured) => rows.extend(measured),
            Err(_) => failed.push(name),
        }
        eprintln!("{name}: measured in {:.0} s", begun.elapsed().as_secs_f64());
    }
    print!("{}", report::table(&rows));
    report::write_json(&rows, &failed, &lab.folder().join("bench.json"));
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    refuse(&format!("not measured: {}; see above and target/bench.log", failed.join(", ")))
}

fn chosen(only: Option<String>) -> Result<Vec<(&'static str, Measurement)>, String> {
    let Some(only) = only else { return Ok(MEASUREMENTS.to_vec()) };
    let wanted: Vec<&str> = only.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let names = MEASUREMENTS.map(|(name, _)| name);
    match wanted.iter().find(|name| !names.contains(name)) {
        Some(unknown) => {
            Err(format!("BENCH_ONLY: unknown measurement `{unknown}`; use some of: {}", names.join(",")))
        }
        None => Ok(MEASUREMENTS.into_iter().filter(|(name, _)| wanted.contains(name)).collect()),
    }
}

fn refuse(problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::FAILURE
}
