//! Loads a plain dump by psql: from a source, through the filter (`postgres::plain_dump`), into psql's standard input.
//! psql runs every statement by itself: one transaction for all tables could need more locks than the server has.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

use crate::config::database::DatabaseConfig;
use crate::frappe::command::PasswordFile;
use crate::frappe::environment::ChildEnvironment;
use crate::frappe::site_config::SiteLogin;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result, Stopped};
use crate::pod::Pod;
use crate::postgres::dump;
use crate::postgres::plain_dump::{DumpFilter, FirstRow, Unfit};
use crate::record::schema;
use crate::supervise::output::{OutputLine, Stream};
use crate::supervise::process::Child;
use crate::supervise::spawn::{Output, Spec, Stdin};
use crate::sys::exec;

const PROGRAM: &str = "psql";
const PIECE_BYTES: usize = 256 * 1024;
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
const STOP_GRACE: Duration = Duration::from_secs(5);
/// A load that is interrupted begins again, so its transactions need not reach the disk one by one.
const FIRST: &[u8] = b"SET synchronous_commit = off;\n";

/// The database to load into.
pub struct Target<'a> {
    /// The server itself, not a pooler.
    pub server: &'a DatabaseConfig,
    pub login: &'a SiteLogin,
    /// The application name of psql's session.
    pub application: String,
}

/// What was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The rows of each table, by `schema.table`.
    pub tables: BTreeMap<String, u64>,
    /// The first row of each table of ours, which is not loaded.
    pub left_out: BTreeMap<String, FirstRow>,
    /// The size of the dump.
    pub bytes: u64,
    /// Its digest, in hex.
    pub sha256: String,
}

/// Loads the dump.
///
/// # Errors
/// 65 for a dump that is cut off or contains commands for psql, 75 if psql fails, 78 without psql; a requested stop.
pub async fn load(
    pod: &Pod,
    target: &Target<'_>,
    dump: &mut (dyn AsyncRead + Unpin),
    progress: &super::run::Progress,
) -> Flow<Loaded> {
    let password = target.login.login.password.clone().unwrap_or_default();
    let password_file = PasswordFile::write(&pod.runtime_dir, &target.login.login.user, &password)?;
    let errors = Arc::new(Mutex::new(None));
    let (child, mut input) = start(pod, target, &password_file, &errors)?;
    let copied = tokio::select! {
        copied = copy(dump, &mut input, progress) => copied,
        signal = pod.shutdown.stop_requested() => Err(Stopped::Signal(signal)),
    };
    drop(input);
    let loaded = match copied {
        Ok(Copied::Whole(loaded)) => Some(loaded),
        Ok(Copied::PsqlEnded) => None,
        Err(stopped) => {
            child.stop(Signal::SIGTERM, STOP_GRACE, pod.shutdown.forced()).await;
            return Err(stopped);
        }
    };
    let exit = tokio::select! {
        exit = child.exited() => exit,
        signal = pod.shutdown.stop_requested() => {
            child.stop(Signal::SIGTERM, STOP_GRACE, pod.shutdown.forced()).await;
            return Err(Stopped::Signal(signal));
        }
    };
    child.drained(Duration::from_secs(1)).await;
    match loaded {
        Some(loaded) if exit.success() => Ok(loaded),
        _ => {
            let first = errors.lock().ok().and_then(|mut error| error.take());
            let reason = first.unwrap_or_else(|| "without an error message".into());
            Err(psql_failed(&exit.to_string(), &reason).into())
        }
    }
}

/// The result of copying the dump to psql.
enum Copied {
    Whole(Loaded),
    /// psql closed its input: it met an error.
    PsqlEnded,
}

async fn copy(
    dump: &mut (dyn AsyncRead + Unpin),
    input: &mut pipe::Sender,
    progress: &super::run::Progress,
) -> Flow<Copied> {
    let (mut filter, mut digest, mut bytes) = (DumpFilter::without(schema::PREFIX), Sha256::new(), 0);
    let (mut piece, mut out) = (vec![0; PIECE_BYTES], FIRST.to_vec());
    let mut reported = Instant::now();
    loop {
        let length = dump.read(&mut piece).await.map_err(|error| unreadable(&error))?;
        if length == 0 {
            break;
        }
        digest.update(&piece[..length]);
        bytes += length as u64;
        filter.push(&piece[..length], &mut out).map_err(|unfit| damaged(&unfit))?;
        if input.write_all(&out).await.is_err() {
            return Ok(Copied::PsqlEnded);
        }
        out.clear();
        progress(bytes);
        if reported.elapsed() >= PROGRESS_INTERVAL {
            reported = Instant::now();
            tracing::info!(event = "restore.database_progress", bytes, "loading the database");
        }
    }
    let contents = filter.finish().map_err(|unfit| damaged(&unfit))?;
    let mut sha256 = String::new();
    for byte in digest.finalize() {
        let _ = write!(sha256, "{byte:02x}");
    }
    Ok(Copied::Whole(Loaded { tables: contents.tables, left_out: contents.left_out, bytes, sha256 }))
}

fn start(
    pod: &Pod,
    target: &Target<'_>,
    password_file: &PasswordFile,
    errors: &Arc<Mutex<Option<String>>>,
) -> Result<(Child, pipe::Sender)> {
    let (read_end, write_end) = exec::pipe()
        .map_err(|error| Fault::try_again(format!("cannot make a pipe: {error}"), "try again"))?;
    let Target { server, login, application } = target;
    let mut environment = ChildEnvironment::inherited().for_frappe(server, &pod.config.redis);
    environment.set("PGPASSFILE", password_file.path());
    let variables =
        dump::variables(&server.host, server.port, &login.login.user, &login.database, application);
    for (name, value) in variables {
        environment.set(name, value);
    }
    let arguments = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"];
    let errors = errors.clone();
    let handler = move |line: OutputLine<'_>| {
        let text = String::from_utf8_lossy(line.text).into_owned();
        let is_error = line.stream == Stream::Stderr && (text.contains("ERROR:") || text.contains("FATAL:"));
        if is_error && let Ok(mut first) = errors.lock() {
            first.get_or_insert(text);
        }
    };
    let spec = Spec {
        args: arguments.map(OsString::from).to_vec(),
        env: environment.into_map(),
        stdin: Stdin::Pipe(Arc::new(read_end)),
        output: Output::Lines(Arc::new(handler)),
        parent_death_signal: Some(Signal::SIGKILL),
        ..Spec::new(PROGRAM, PROGRAM)
    };
    let child = pod.processes.spawn(&spec).map_err(|error| {
        let hint = "install PostgreSQL's client programs in the image (Debian: postgresql-client)";
        Fault::configuration(format!("no dump can be loaded: {error}"), hint).named(Refusal::PsqlMissing)
    })?;
    let sender = pipe::Sender::from_owned_fd(write_end)
        .map_err(|error| Fault::try_again(format!("cannot write to psql: {error}"), "try again"))?;
    Ok((child, sender))
}

/// The refusal of a dump that is not sound.
pub fn damaged(unfit: &Unfit) -> Fault {
    let hint = match unfit {
        Unfit::CustomFormat => "restore it with pg_restore, or convert it: pg_restore --file=dump.sql FILE",
        _ => "use another backup: `cauldron-frappe backup list` shows them; the site is as it was",
    };
    Fault::foreign_data(format!("the dump cannot be restored: {unfit}"), hint).named(Refusal::BackupDamaged)
}

fn unreadable(error: &std::io::Error) -> Fault {
    let hint = "use another backup: `cauldron-frappe backup list` shows them; the site is as it was";
    Fault::foreign_data(format!("the dump cannot be read: {error}"), hint).named(Refusal::BackupDamaged)
}

fn psql_failed(exit: &str, reason: &str) -> Fault {
    let hint = if reason.contains("No space left") || reason.contains("could not extend") {
        "free some space on the database server, then run the command again"
    } else {
        "correct what the message says, then run the command again"
    };
    Fault::try_again(format!("psql {exit}: {reason}"), hint)
}
