//! `doctor`: looks at everything, explains, changes nothing.
//!
//! ```text
//!   configuration ─┬─▶ names, Redis, PostgreSQL ─▶ grants ─▶ site ─┐
//!                  ├─▶ volume, site files, bench, psql and pg_dump ├─▶ apps ─▶ report, exit code
//!                  └─▶ a supervisor in this container ─────────────┘
//! ```
//!
//! Every look has five seconds, and all of them together have fifteen, whatever hangs. What cannot be
//! looked at because of something else is told as skipped.

mod apps;
mod bench;
mod clients;
mod clock;
mod configuration;
mod dependencies;
mod finding;
mod grants;
mod id;
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
mod volume;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use tokio::time::Instant;

use self::apps::Apps;
use self::clock::Clock;
use self::configuration::Known;
use self::finding::Finding;
use self::id::Id;
#[cfg(test)]
pub use self::id::LOOKS;
use self::site_files::Files;
use crate::apps::joined_by;
use crate::cli::Format;
use crate::config::variable;
use crate::outcome::{self, Fault, Flow};
use crate::postgres::dump;
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;
use crate::{sys, telemetry};

/// When the servers have had their time, and when everything has: a second of the fifteen is the
/// report's.
const SERVERS: Duration = Duration::from_secs(11);
const WHOLE: Duration = Duration::from_secs(14);
/// From TERM to KILL for a program that was asked for its version.
const SWEEP: Duration = Duration::from_millis(200);

/// What was asked on the command line.
pub struct Asked<'a> {
    pub settings: &'a BTreeMap<String, String>,
    pub embedded: bool,
    pub format: Format,
}

/// Looks, and reports on stdout.
///
/// # Errors
/// A signal, which ends it at once.
pub async fn doctor(asked: &Asked<'_>, shutdown: &Shutdown) -> Flow<u8> {
    let processes = processes()?;
    let look = async { Ok(look(asked, &processes).await) };
    let findings = shutdown.guard(look).await;
    processes.sweep(SWEEP, shutdown.forced()).await;
    let findings = findings?;
    let exit_code = finding::exit_code(&findings);
    telemetry::print(&match asked.format {
        Format::Text => report::text(&findings, exit_code),
        Format::Json => format!("{}\n", report::json(&findings, exit_code)),
    });
    Ok(exit_code)
}

/// For the programs that a look starts.
fn processes() -> Flow<Processes> {
    let fault = |error| Fault::new(outcome::BUG, format!("no SIGCHLD handler: {error}"), "report this");
    Ok(Processes::start().map_err(fault)?)
}

async fn look(asked: &Asked<'_>, processes: &Processes) -> Vec<Finding> {
    let begin = Instant::now();
    let clock = Clock::ending_at(begin + WHOLE);
    let known = match configuration::read(clock, asked.settings.clone(), asked.embedded).await {
        Ok(known) => known,
        Err(findings) => return findings,
    };
    hide_secrets();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let servers = Clock::ending_at(begin + SERVERS);
    let (dns, redis, owner, (server, seen), volume, files, bench, clients, supervisor) = tokio::join!(
        dependencies::dns(&known, servers),
        dependencies::redis(&known, servers),
        queue_owner::look(&known, servers),
        server::look(&known, processes, servers),
        volume_looks(&known, clock),
        file_looks(&known, clock),
        bench_looks(&known, &path, clock),
        clients::look(processes, &path, clock),
        supervisor::look(&known),
    );
    let apps = app_looks(&known, seen.contents, clock).await;
    let other_sites = other_sites::look(&known, processes, clock).await;
    let own = seen.server_major.and_then(|server| dump::of_major(&path, server));
    let clients = clients::judge(&clients, seen.server_major, own.as_deref(), known.config.backup > 0);
    let all = [
        known.findings(),
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
        vec![site_url::look(&known), supervisor],
    ];
    all.concat()
}

/// What was read is in `Known`; nobody else is to find it in /proc.
fn hide_secrets() {
    sys::environment::scrub(variable::secret_names());
    sys::environment::forbid_dumps();
}

async fn volume_looks(known: &Known, clock: Clock) -> Vec<Finding> {
    let (sites, site) = (known.bench.sites(), known.config.site.clone());
    let subject = sites.display().to_string();
    let work = {
        let sites = sites.clone();
        move || volume::look(&sites, site.as_deref())
    };
    clock.read(Id::VolumeFolder, &subject, work).await.unwrap_or_else(|silent| {
        let skipped = volume::skipped(&sites, "the volume does not answer");
        std::iter::once(silent).chain(skipped).collect()
    })
}

async fn file_looks(known: &Known, clock: Clock) -> Vec<Finding> {
    let (files, bench) = (Files::of(known), known.bench.clone());
    let work = move || files.look(&bench);
    clock
        .read(Id::CommonConfig, "sites/", work)
        .await
        .unwrap_or_else(|_| site_files::skipped("the volume does not answer"))
}

async fn bench_looks(known: &Known, path: &OsString, clock: Clock) -> Vec<Finding> {
    let (bench, path) = (known.bench.clone(), path.clone());
    let work = move || bench::look(&bench, &path);
    clock
        .read(Id::BenchPython, "bench", work)
        .await
        .unwrap_or_else(|_| bench::skipped("its folder does not answer"))
}

/// After the database's: the two are compared.
async fn app_looks(known: &Known, contents: site::Contents, clock: Clock) -> Vec<Finding> {
    let (bench, config) = (known.bench.clone(), known.config.clone());
    let look = move || {
        let apps = Apps {
            joined: joined_by(&config, &bench).ok().flatten(),
            bench,
            python_path: std::env::var_os("PYTHONPATH"),
            wanted: config.apps,
            installed: contents.installed,
        };
        apps.look()
    };
    clock
        .read(Id::AppsList, "apps", look)
        .await
        .unwrap_or_else(|_| apps::skipped("the bench's folder does not answer"))
}
