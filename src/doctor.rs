//! Examines everything that a start needs, and explains what it finds. Changes nothing.
//!
//! ```text
//!   configuration ─┬─▶ names, Redis, PostgreSQL ─▶ grants ─▶ site ─┐
//!                  ├─▶ volume, site files, bench, psql and pg_dump ├─▶ apps ─▶ report, exit code
//!                  └─▶ a supervisor in this container ─────────────┘
//! ```
//!
//! Each check has a timeout of 5 s and the whole examination one of 15 s, whatever hangs. A check that depends
//! on another one that failed is reported as skipped.

mod apps;
mod backups;
mod bench;
mod bench_id;
mod clients;
mod clock;
mod configuration;
mod dependencies;
mod encryption_key;
mod finding;
mod grants;
mod id;
mod live_events;
mod migration;
mod other_sites;
mod own_database;
pub mod plan;
mod postgres;
mod queue_owner;
mod record;
mod report;
mod server;
mod site;
mod site_files;
mod site_url;
mod space;
mod supervisor;
mod switches;
mod unused_settings;
mod volume;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use tokio::time::Instant;

use self::apps::Apps;
use self::clock::Clock;
use self::configuration::Inputs;
use self::finding::Finding;
#[cfg(test)]
pub use self::id::CHECKS;
use self::id::Id;
pub use self::report::Report;
use self::site_files::Files;
use crate::apps::published_apps_of;
use crate::cli::Format;
use crate::config::variable;
use crate::outcome::{self, Fault, Flow};
use crate::postgres::dump;
use crate::record::volume::Volume;
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;
use crate::sys;

/// The time for all checks of the servers.
const SERVER_TIMEOUT: Duration = Duration::from_secs(11);
/// The time for all checks: one second of the 15 s is left for the report.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(14);
/// From TERM to KILL for a program that was started to print its version.
const SWEEP_GRACE: Duration = Duration::from_millis(200);

/// The options of `doctor` and `plan` on the command line.
pub struct Request<'a> {
    pub settings: &'a BTreeMap<String, String>,
    pub embedded: bool,
    pub format: Format,
}

/// Runs every check.
///
/// # Errors
/// A signal, which ends the examination at once.
pub async fn examine(request: &Request<'_>, shutdown: &Shutdown) -> Flow<Report> {
    let processes = start_processes()?;
    let checks = async { Ok(run_checks(request, &processes).await) };
    let findings = shutdown.guard(checks).await;
    processes.sweep(SWEEP_GRACE, shutdown.forced()).await;
    Ok(Report::new(findings?))
}

/// The table of the programs that a check starts.
fn start_processes() -> Flow<Processes> {
    let fault = |error| Fault::new(outcome::BUG, format!("no SIGCHLD handler: {error}"), "report this bug");
    Ok(Processes::start().map_err(fault)?)
}

async fn run_checks(request: &Request<'_>, processes: &Processes) -> Vec<Finding> {
    let begin = Instant::now();
    let clock = Clock::ending_at(begin + TOTAL_TIMEOUT);
    let inputs = match configuration::read(clock, request.settings.clone(), request.embedded).await {
        Ok(inputs) => inputs,
        Err(findings) => return findings,
    };
    hide_secrets();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let servers = Clock::ending_at(begin + SERVER_TIMEOUT);
    let (dns, redis, owner, (server, facts), volume, files, bench, clients, web) = tokio::join!(
        dependencies::dns(&inputs, servers),
        dependencies::redis(&inputs, servers),
        queue_owner::check(&inputs, servers),
        server::check(&inputs, processes, servers),
        volume_checks(&inputs, clock),
        file_checks(&inputs, clock),
        bench_checks(&inputs, &path, clock),
        clients::check(processes, &path, clock),
        web_checks(&inputs, servers),
    );
    let apps = app_checks(&inputs, facts.contents, clock).await;
    let other_sites = other_sites::check(&inputs, processes, clock).await;
    let own = facts.server_major.and_then(|server| dump::program_for_major(&path, server));
    let clients =
        clients::evaluate(&clients, facts.server_major, own.as_deref(), inputs.config.migrate_backups > 0);
    let all = [
        inputs.findings(),
        vec![unused_settings::check(&inputs.unused)],
        dns,
        server,
        redis,
        vec![owner],
        volume,
        files,
        bench,
        clients,
        apps,
        other_sites,
        web,
    ];
    all.concat()
}

/// Removes the secrets from /proc/<pid>/environ: they are in `Inputs` now.
fn hide_secrets() {
    sys::environment::scrub(variable::secret_names());
    sys::environment::forbid_dumps();
}

/// Checks the addresses of the web role, and the role of this container.
async fn web_checks(inputs: &Inputs, clock: Clock) -> Vec<Finding> {
    let (url, live_events, supervisor) = tokio::join!(
        site_url::check(inputs, clock),
        live_events::check(inputs, clock),
        supervisor::check(inputs),
    );
    vec![url, live_events, supervisor]
}

async fn volume_checks(inputs: &Inputs, clock: Clock) -> Vec<Finding> {
    let (sites, site) = (inputs.bench.sites(), inputs.config.site.clone());
    let subject = sites.display().to_string();
    let ours = site.clone().map(|site| (Volume::read_only(inputs.bench.cauldron_site(&site)), site));
    let has_repository = inputs.config.backup.to.is_some();
    let work = {
        let sites = sites.clone();
        move || {
            let mut findings = volume::check(&sites, site.as_deref());
            findings.extend(ours.map(|(volume, site)| backups::check(&volume, &site, has_repository)));
            findings
        }
    };
    clock.run_blocking(Id::VolumeFolder, &subject, work).await.unwrap_or_else(|timed_out| {
        let skipped = volume::skipped(&sites, "the volume does not answer");
        std::iter::once(timed_out).chain(skipped).collect()
    })
}

async fn file_checks(inputs: &Inputs, clock: Clock) -> Vec<Finding> {
    let (files, bench_id) = (Files::of(inputs), bench_id::check(inputs));
    let work = move || [files.check(), vec![bench_id()]].concat();
    clock
        .run_blocking(Id::CommonConfig, "sites/", work)
        .await
        .unwrap_or_else(|_| site_files::skipped("the volume does not answer"))
}

async fn bench_checks(inputs: &Inputs, path: &OsString, clock: Clock) -> Vec<Finding> {
    let (bench, path) = (inputs.bench.clone(), path.clone());
    let work = move || bench::check(&bench, &path);
    clock
        .run_blocking(Id::BenchPython, "bench", work)
        .await
        .unwrap_or_else(|_| bench::skipped("the bench's folder does not answer"))
}

/// Checks the apps. Runs after the checks of the database, because it compares the two.
async fn app_checks(inputs: &Inputs, contents: site::Contents, clock: Clock) -> Vec<Finding> {
    let (bench, config) = (inputs.bench.clone(), inputs.config.clone());
    let work = move || {
        let apps = Apps {
            joined: published_apps_of(&config, &bench).ok().flatten(),
            bench,
            python_path: std::env::var_os("PYTHONPATH"),
            wanted: config.apps,
            installed: contents.installed,
        };
        apps.check()
    };
    clock
        .run_blocking(Id::AppsList, "apps", work)
        .await
        .unwrap_or_else(|_| apps::skipped("the bench's folder does not answer"))
}
