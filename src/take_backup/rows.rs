//! The database: pg_dump ▸ us ▸ restic. A snapshot is made only of a complete script: otherwise restic is stopped while its
//! input is still open.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use secrecy::ExposeSecret;

use super::progress;
use super::site::Site;
use super::stream::{self, Interrupted, Passed, Sink};
use crate::backups::manifest::DATABASE_FILE;
use crate::backups::tags::Tags;
use crate::frappe::environment::ChildEnvironment;
use crate::leader::pg_dump::PgDump;
use crate::outcome::{Fault, Flow, Result, Stopped};
use crate::pod::Pod;
use crate::postgres::catalog::foreign_schemas;
use crate::postgres::dump;
use crate::postgres::sql::sql_fault;
use crate::record::schema;
use crate::restic::{Restic, Saving, SnapshotId, Source, pipe};
use crate::supervise::output::OutputLine;
use crate::supervise::process::Child;
use crate::supervise::spawn::{Output, Spec};
use crate::sys::exit::Exit;

const DOING: &str = "cannot save the database in";
/// pg_dump has nothing to clean up.
const STOP_GRACE: Duration = Duration::from_secs(2);
const MAX_ERROR_LINES: usize = 5;

/// A dump that is in the repository.
pub struct Dumped {
    pub snapshot: SnapshotId,
    pub bytes: u64,
    pub sha256: String,
    pub tables: BTreeMap<String, u64>,
}

/// Saves the database.
///
/// # Errors
/// 75 if pg_dump or restic fails; a signal.
pub async fn save(
    pod: &Pod,
    restic: &Restic<'_>,
    site: &Site,
    pg_dump: &PgDump,
    tags: &Tags,
    expected_bytes: Option<u64>,
) -> Flow<Dumped> {
    let arguments = arguments(site).await?;
    let (from_dump, to_us) = pipe(DOING)?;
    let (from_us, to_restic) = pipe(DOING)?;
    let no_sink = |error| Fault::try_again(format!("{DOING} {}: {error}", restic.shown), "start again");
    let mut sink = Sink::new(to_restic).map_err(no_sink)?;
    let source = Source::Stream { name: DATABASE_FILE, pipe: Arc::new(from_us) };
    let saving = restic.save(source, &tags.words(), &site.name)?;
    let dumping = match Dumping::start(pod, site, pg_dump, arguments, to_us) {
        Ok(dumping) => dumping,
        Err(fault) => {
            saving.running.stop(pod.shutdown.forced()).await;
            return Err(fault.into());
        }
    };
    let passed_bytes = AtomicU64::new(0);
    // pg_dump may have closed its output without an end: that is waited for here, too.
    let dumped = async { dumping.result(stream::pass(from_dump, &mut sink, &passed_bytes).await).await };
    let seen = || (passed_bytes.load(Ordering::Relaxed), expected_bytes);
    let complete = tokio::select! {
        complete = dumped => complete,
        never = progress::show(&pod.status, "the database", seen) => match never {},
        signal = pod.shutdown.stop_requested() => {
            saving.running.stop(pod.shutdown.forced()).await;
            dumping.stop().await;
            return Err(Stopped::Signal(signal));
        }
    };
    let complete = match complete {
        Ok(complete) => complete,
        Err(ended) => return Err(give_up(pod, restic, &saving, ended).await.into()),
    };
    // Only now restic sees the end of its input.
    drop(sink);
    let saved = restic.finish(DOING, &saving).await?;
    let Passed { bytes, sha256, tables } = complete;
    tracing::info!(
        event = "backup.database_saved",
        snapshot = saved.id.short(),
        bytes,
        added_bytes = saved.added_bytes,
        tables = tables.len(),
        "saved the database"
    );
    Ok(Dumped { snapshot: saved.id, bytes, sha256, tables })
}

/// Why the stream ended.
enum Ended {
    /// pg_dump failed.
    Dump(Fault),
    /// restic ended before its input did, and says why.
    Restic,
}

/// Ends restic before it sees the end of its input, and returns the fault.
async fn give_up(pod: &Pod, restic: &Restic<'_>, saving: &Saving, ended: Ended) -> Fault {
    match ended {
        Ended::Dump(fault) => {
            saving.running.stop(pod.shutdown.forced()).await;
            fault
        }
        Ended::Restic => {
            let ran = saving.running.end().await;
            restic.fault(DOING, &ran)
        }
    }
}

async fn arguments(site: &Site) -> Result<Vec<OsString>> {
    // pg_dump fails on a schema that another role owns; such schemas hold nothing of the site and are excluded.
    let foreign = foreign_schemas(&site.connection).await.map_err(sql_fault("cannot list the schemas"))?;
    Ok(dump::script_arguments(schema::PATTERN, &foreign))
}

/// A pg_dump that runs.
struct Dumping {
    child: Child,
    errors: Arc<Mutex<Vec<String>>>,
}

impl Dumping {
    fn start(pod: &Pod, site: &Site, pg_dump: &PgDump, args: Vec<OsString>, stdout: OwnedFd) -> Result<Self> {
        let mut environment = ChildEnvironment::inherited().for_frappe(&site.database, &pod.config.redis);
        let database = &site.database;
        let variables = dump::variables(
            &database.host,
            database.port,
            &site.user,
            &site.database_name,
            "cauldron/backup",
        );
        for (name, value) in variables {
            environment.set(name, value);
        }
        // In no argument, and in no file that a kill would leave behind.
        environment.set("PGPASSWORD", site.password.expose_secret());
        environment.set("LC_ALL", "C");
        let errors = Arc::new(Mutex::new(Vec::new()));
        let (heard, status) = (errors.clone(), pod.status.clone());
        let handler = move |line: OutputLine<'_>| {
            status.progress();
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.len() < MAX_ERROR_LINES {
                heard.push(String::from_utf8_lossy(line.text).trim_end().to_string());
            }
        };
        let spec = Spec {
            args,
            env: environment.into_map(),
            output: Output::Pipe(Arc::new(stdout), Arc::new(handler)),
            parent_death_signal: Some(Signal::SIGKILL),
            nice: true,
            ..Spec::new(dump::PROGRAM, &pg_dump.path)
        };
        let child = pod.processes.spawn(&spec).map_err(|error| error.fault())?;
        Ok(Self { child, errors })
    }

    async fn stop(&self) {
        self.child.stop(Signal::SIGTERM, STOP_GRACE, std::future::pending()).await;
    }

    /// The script, if pg_dump says that it is complete, too.
    async fn result(
        &self,
        passed: std::result::Result<Passed, Interrupted>,
    ) -> std::result::Result<Passed, Ended> {
        let interrupted = match passed {
            Err(Interrupted::NoReader) => {
                self.stop().await;
                return Err(Ended::Restic);
            }
            Err(Interrupted::Read(error)) => {
                self.stop().await;
                return Err(Ended::Dump(Fault::try_again(
                    format!("cannot read pg_dump's output: {error}"),
                    "start again",
                )));
            }
            Ok(passed) => match self.child.exited().await {
                Exit::Exited(0) => return Ok(passed),
                exit => exit,
            },
            Err(Interrupted::Incomplete) => self.child.exited().await,
        };
        self.child.drained(Duration::from_secs(5)).await;
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner).join("; ");
        let reason = if errors.is_empty() { "its script is not complete".to_string() } else { errors };
        let cause = format!("pg_dump {interrupted}: {reason}");
        Err(Ended::Dump(Fault::try_again(
            cause,
            "nothing was changed, and this backup does not count: start it again",
        )))
    }
}

impl Drop for Dumping {
    fn drop(&mut self) {
        self.child.signal_group(Signal::SIGKILL);
    }
}
