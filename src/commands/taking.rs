//! `exec -- bench restore` and its kin, which drop the site's database: one idle session of anybody makes
//! them fail, and a pod that serves meanwhile sees half a site. So the site is held until they have ended.
//!
//! ```text
//!   take the hold ─▶ pods end their children and sessions ─▶ nobody is connected ─▶ run it ─▶ let go
//! ```

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::bench::Bench;
use crate::config::Config;
use crate::frappe::site_config;
use crate::net::Kind;
use crate::outcome::{self, Fault, Flow, Result, Stopped};
use crate::postgres::{self, Options, sessions};
use crate::record::exclusive_lock::{Holder, SiteHold};
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

/// What drops the site's database.
const TAKERS: [&str; 3] = [RESTORE, "reinstall", "drop-site"];
const RESTORE: &str = "restore";
/// Over the longest queue's timeout: a worker's own grace.
const AND_THEN: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(1);
/// From a request to stop to KILL: half a restore is half a site.
const GRACE: Duration = Duration::from_secs(600);

/// A command that needs the site for itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Taking {
    command: &'static str,
    site: String,
}

/// Whether a command line is one: `bench --site S restore …`, `python -m frappe.utils.bench_helper frappe …`.
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
    let command = TAKERS.into_iter().find(|taker| *taker == name)?;
    if command == "drop-site" {
        // Its argument is the site.
        site = rest.find(|word| !word.starts_with('-')).map(|site| (*site).to_string()).or(site);
    }
    Some(Taking { command, site: site? })
}

/// Holds the site, waits until nobody uses it, and runs the command to its end. Its exit code is returned.
///
/// # Errors
/// 75 where somebody has the site already, or does not let go of it.
pub async fn run(spec: Spec, taking: &Taking, config: &Config, shutdown: &Shutdown) -> Flow<u8> {
    let bench = Bench::new(&config.bench);
    let hold = SiteHold::of(&bench, &taking.site);
    let taken = hold.take(&Holder::new(format!("bench {}", taking.command)))?;
    tracing::info!(site = taking.site, "holds the site: every pod lets go of it");
    shutdown.guard(async { Ok(released(config, &bench, &taking.site).await?) }).await?;
    taken.is_ours()?;
    if taking.command == RESTORE {
        let mark = async {
            mark_restore(config, &bench, &taking.site).await;
            Ok(())
        };
        shutdown.guard(mark).await?;
    }
    let processes = Processes::start()
        .map_err(|error| Fault::new(outcome::BUG, format!("no SIGCHLD handler: {error}"), "report this"))?;
    let spec = Spec { stdin: Stdin::Inherit, terminal: true, ..spec };
    let plan = ServicePlan { stop_with: None, ..ServicePlan::new(spec, Policy::once(GRACE)) };
    let end = run_service(&processes, plan, shutdown).await;
    drop(taken);
    match end {
        End::Ended(exit) | End::CrashLoop(exit) | End::Asked(_, Some(exit)) => Ok(exit.code()),
        End::Asked(signal, None) => Err(Stopped::Signal(signal)),
        End::NotStarted(error) => Err(error.fault().into()),
    }
}

/// Ends when every pod has had the time to see the hold, and no session of the site's database is left.
async fn released(config: &Config, bench: &Bench, site: &str) -> Result<()> {
    let longest = config.workers.timeouts.values().max().copied().unwrap_or_default();
    let deadline = Instant::now() + longest + AND_THEN;
    let mut told = String::new();
    // A pod has told its children by then, if it drains no longer than we would.
    tokio::time::sleep(EXCLUSIVE_LOCK_SEEN_WITHIN + config.drain).await;
    loop {
        let sessions = connected(config, bench, site).await?;
        if sessions.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Fault::try_again(
                format!("sessions stay connected to the site's database: {sessions}"),
                "end what they belong to, then try again",
            ));
        }
        if sessions != told {
            tracing::info!(sessions, "waits until they have ended");
            told = sessions;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Says on the volume that this installation's own database is about to be restored over: its own backup is no copy
/// then (`bootstrap::identity`). What keeps us from that does not stop the restore; the site is a copy afterwards.
async fn mark_restore(config: &Config, bench: &Bench, site: &str) {
    let Some(database) = &config.database else { return };
    let volume = Volume::to_read(bench.cauldron_site(site));
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
            reason,
            "the restored site will be treated as a copy: its own database cannot be examined"
        );
    }
}

/// Who is connected to the site's database, by application: empty where nobody is, or where there is none.
async fn connected(config: &Config, bench: &Bench, site: &str) -> Result<String> {
    let Some(database) = &config.database else {
        return Err(Fault::configuration(
            "nobody knows where the site's database is".to_string(),
            "set DB_HOST: before its database is dropped, it is asked who uses it",
        ));
    };
    let folder = site_config::look(bench, site)
        .map_err(|error| Fault::file(format!("cannot read {site}'s site_config.json"), &error))?;
    let Some(own) = folder.login() else { return Ok(String::new()) };
    let options = Options { timeout: Duration::from_secs(5), ..Options::default() };
    let direct = database.directly();
    let connected = postgres::connect(&direct, &own.login, &own.database, "cauldron/exec", &options).await;
    let connection = match connected {
        Ok(connection) => connection,
        // There is nothing to take away.
        Err(error) if matches!(error.kind, Kind::NoSuchDatabase | Kind::NoSuchRole) => {
            return Ok(String::new());
        }
        Err(error) => return Err(error.into()),
    };
    sessions::connected(&connection).await.map_err(|error| {
        Fault::try_again(format!("cannot ask who uses the site's database: {error}"), "try again")
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
    fn what_drops_the_database_is_told_from_the_rest() {
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
