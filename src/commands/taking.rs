//! Runs `exec -- bench restore` and similar commands, which drop the site's database, under the site's exclusive
//! lock. One idle session makes them fail, and a pod that serves meanwhile sees half a site.
//!
//! ```text
//!   acquire the lock ─▶ pods end their children and sessions ─▶ no session is left ─▶ run it ─▶ release
//! ```

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::bench::Bench;
use crate::config::Config;
use crate::frappe::site_config;
use crate::net::Kind;
use crate::outcome::refusal::Refusal;
use crate::outcome::{self, Fault, Flow, Result, Stopped};
use crate::postgres::{self, Options, sessions};
use crate::record::exclusive_lock::{ExclusiveLock, Holder};
use crate::record::identity::RestoreMark;
use crate::record::reader::RecordReader;
use crate::record::state;
use crate::record::timing::EXCLUSIVE_LOCK_SEEN_WITHIN;
use crate::record::volume::Volume;
use crate::supervise::process::Processes;
use crate::supervise::run_service::{End, ServicePlan, run_service};
use crate::supervise::service::Policy;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::{Spec, Stdin};

/// Commands that drop the site's database.
const DROPPING: [&str; 3] = [RESTORE, "reinstall", "drop-site"];
const RESTORE: &str = "restore";
/// Added to the longest queue's timeout: a worker's grace period.
const WORKER_MARGIN: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// From a stop request to KILL. Long, because an interrupted restore leaves half a site.
const STOP_GRACE: Duration = Duration::from_secs(600);

/// A command that needs the site for itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Taking {
    command: &'static str,
    site: String,
}

/// Recognizes such a command line: `bench --site S restore …`, `python -m frappe.utils.bench_helper frappe …`.
pub fn taking(command: &[OsString], site: Option<&str>) -> Option<Taking> {
    let words: Vec<&str> = command.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    let program = Path::new(words.first()?).file_name()?.to_str()?;
    let helper = words.iter().position(|word| *word == "frappe.utils.bench_helper");
    let mut rest = match helper {
        Some(at) => words[at + 1..].iter(),
        None if program == "bench" => words[1..].iter(),
        None => return None,
    };
    let mut site = site.map(str::to_string);
    let name = loop {
        match *rest.next()? {
            "--site" => site = rest.next().map(|site| (*site).to_string()),
            "frappe" => {}
            option if option.starts_with('-') => {
                site = option.strip_prefix("--site=").map(str::to_string).or(site);
            }
            name => break name,
        }
    };
    let command = DROPPING.into_iter().find(|dropping| *dropping == name)?;
    if command == "drop-site" {
        // Its argument is the site.
        site = rest.find(|word| !word.starts_with('-')).map(|site| (*site).to_string()).or(site);
    }
    Some(Taking { command, site: site? })
}

/// Acquires the site's exclusive lock, waits until no session is left, runs the command and returns its exit code.
///
/// # Errors
/// 75 if another command has the lock, or if sessions stay connected.
pub async fn run(spec: Spec, taking: &Taking, config: &Config, shutdown: &Shutdown) -> Flow<u8> {
    let bench = Bench::new(&config.bench);
    let lock = ExclusiveLock::of(&bench, &taking.site);
    let taken = lock.acquire(&Holder::new(format!("bench {}", taking.command)))?;
    tracing::info!(
        event = "site.exclusive_lock_acquired",
        site = taking.site,
        "acquired the site's exclusive lock; waiting until every pod has stopped its roles"
    );
    shutdown.guard(async { Ok(wait_for_sessions(config, &bench, &taking.site).await?) }).await?;
    taken.is_ours()?;
    if taking.command == RESTORE {
        let mark = async {
            mark_restore(config, &bench, &taking.site).await;
            Ok(())
        };
        shutdown.guard(mark).await?;
    }
    let processes = Processes::start().map_err(|error| {
        Fault::new(outcome::BUG, format!("no SIGCHLD handler: {error}"), "report this bug")
    })?;
    let spec = Spec { stdin: Stdin::Inherit, terminal: true, ..spec };
    let plan = ServicePlan { stop_with: None, ..ServicePlan::new(spec, Policy::once(STOP_GRACE)) };
    let end = run_service(&processes, plan, shutdown).await;
    drop(taken);
    match end {
        End::Ended(exit) | End::CrashLoop(exit) | End::StopRequested(_, Some(exit)) => Ok(exit.code()),
        End::StopRequested(signal, None) => Err(Stopped::Signal(signal)),
        End::NotStarted(error) => Err(error.fault().into()),
        End::Failed(fault) => Err(fault.into()),
    }
}

/// Waits until every pod has had the time to see the lock, and no session is connected to the site's database.
async fn wait_for_sessions(config: &Config, bench: &Bench, site: &str) -> Result<()> {
    let longest = config.workers.timeouts.values().max().copied().unwrap_or_default();
    let deadline = Instant::now() + longest + WORKER_MARGIN;
    let mut logged = String::new();
    // By then each pod has signalled its children, if its drain is no longer than ours.
    tokio::time::sleep(EXCLUSIVE_LOCK_SEEN_WITHIN + config.drain).await;
    loop {
        let sessions = connected(config, bench, site).await?;
        if sessions.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Fault::try_again(
                format!("sessions stay connected to the site's database: {sessions}"),
                "stop the programs that these sessions belong to, then try again",
            )
            .named(Refusal::DatabaseInUse));
        }
        if sessions != logged {
            tracing::info!(
                event = "site.waiting_for_sessions",
                sessions,
                "waiting until no session is connected to the site's database"
            );
            logged = sessions;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Writes a mark on the volume that this installation restores over its own database, so that its own backup is not
/// taken for a copy (`bootstrap::identity`). If that fails, the restore continues, and the site is a copy afterwards.
async fn mark_restore(config: &Config, bench: &Bench, site: &str) {
    let Some(database) = &config.database else { return };
    let volume = Volume::read_only(bench.cauldron_site(site));
    let marked = async {
        let connection = RecordReader::new(database, bench, site).connect().await?;
        let records = state::read_all(&connection, site).await.map_err(|error| error.to_string())?;
        let on_volume = volume.known_install_id().map_err(|fault| fault.cause)?;
        match RestoreMark::before(records.own.as_ref(), on_volume.as_deref(), &records.database) {
            Some(mark) => volume.write_restore_mark(&mark).map_err(|fault| fault.cause),
            None => Ok(()),
        }
    };
    if let Err(reason) = marked.await {
        tracing::warn!(
            event = "site.restore_mark_failed",
            reason,
            "cannot mark the restore as our own: the restored site will be treated as a copy"
        );
    }
}

/// The sessions on the site's database, by application; empty if there are none or the database does not exist.
async fn connected(config: &Config, bench: &Bench, site: &str) -> Result<String> {
    let Some(database) = &config.database else {
        return Err(Fault::configuration(
            "the host of the site's database is not configured".to_string(),
            "set DB_HOST: before the database is dropped, its sessions have to be checked",
        ));
    };
    let folder = site_config::inspect(bench, site)
        .map_err(|error| Fault::file(format!("cannot read {site}'s site_config.json"), &error))?;
    let Some(own) = folder.login() else { return Ok(String::new()) };
    let options = Options { timeout: Duration::from_secs(5), ..Options::default() };
    let direct = database.directly();
    let connected = postgres::connect(&direct, &own.login, &own.database, "cauldron/exec", &options).await;
    let connection = match connected {
        Ok(connection) => connection,
        // There is no database that could have sessions.
        Err(error) if matches!(error.kind, Kind::NoSuchDatabase | Kind::NoSuchRole) => {
            return Ok(String::new());
        }
        Err(error) => return Err(error.into()),
    };
    sessions::connected(&connection).await.map_err(|error| {
        Fault::try_again(format!("cannot read the sessions of the site's database: {error}"), "try again")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<(&'static str, String)> {
        let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        taking(&words, Some("own.test")).map(|taking| (taking.command, taking.site))
    }

    #[test]
    fn commands_that_drop_the_database_are_recognized() {
        let own = |command| Some((command, "own.test".to_string()));
        let other = |command| Some((command, "x.test".to_string()));
        assert_eq!(of("bench restore file.sql.gz"), own("restore"));
        assert_eq!(of("/usr/bin/bench --site x.test --force restore f"), other("restore"));
        assert_eq!(of("bench --site=x.test reinstall --yes"), other("reinstall"));
        assert_eq!(of("bench drop-site --force x.test"), other("drop-site"));
        let helper = "env/bin/python -m frappe.utils.bench_helper frappe --site x.test restore f";
        assert_eq!(of(helper), other("restore"));
        for other in ["bench console", "bench --site restore", "echo restore", "bench", "python restore"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
