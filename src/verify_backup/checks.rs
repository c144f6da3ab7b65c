//! The checks of a restored backup that need no web server.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio_postgres::Client;

use super::report::{Check, Rows};
use crate::backups::manifest::Manifest;
use crate::outcome::{Flow, Result, Stopped};
use crate::pod::Pod;
use crate::postgres::sql::{identifier, sql_fault};
use crate::restore::keys::ENCRYPTION_KEY;
use crate::restore::repository::Repository;
use crate::scratch::{ScratchBench, interrupted};
use crate::supervise::output::OutputLine;
use crate::supervise::spawn::{Output, Spec};
use crate::sys::exit::Exit;

/// The limit of one command; a migrate of ERPNext from one version to the next takes minutes.
const COMMAND_LIMIT: Duration = Duration::from_secs(3600);
const GRACE: Duration = Duration::from_secs(5);
/// The lines of output that are kept for a failure.
const MAX_LINES: usize = 20;

/// Counts every table of the manifest in the restored database.
///
/// # Errors
/// The server failed.
pub async fn rows(client: &Client, manifest: &Manifest, mut rows: Rows<'_>) -> Result<Check> {
    let mut differing = 0;
    for (table, expected) in &manifest.database.tables {
        let (schema, name) = table.split_once('.').unwrap_or(("public", table));
        let name = format!("{}.{}", identifier(schema), identifier(name));
        let exists = client
            .query_one("SELECT to_regclass($1) IS NOT NULL", &[&name])
            .await
            .map_err(sql_fault("cannot inspect the restored database"))?;
        let found = match exists.get(0) {
            true => {
                let counted = client.query_one(&format!("SELECT count(*) FROM {name}"), &[]).await;
                let counted = counted.map_err(sql_fault("cannot count the restored rows"))?;
                u64::try_from(counted.get::<_, i64>(0)).ok()
            }
            false => None,
        };
        *rows.expected += expected;
        *rows.found += found.unwrap_or_default();
        if found != Some(*expected) {
            differing += 1;
            rows.differ(table, *expected, found);
        }
    }
    let (tables, found) = (manifest.database.tables.len(), *rows.found);
    Ok(match differing {
        0 => Check::passed("rows", format!("{found} rows in {tables} tables, as in the manifest")),
        _ => Check::failed("rows", format!("{differing} of {tables} tables differ from the manifest")),
    })
}

/// The key of the site's saved passwords.
pub fn key(backup: &Repository) -> Check {
    match backup.site_config().get(ENCRYPTION_KEY) {
        Some(_) => Check::passed("key", "site_config.json has the encryption key"),
        None => {
            Check::failed("key", "site_config.json has no encryption key: saved passwords could not be read")
        }
    }
}

/// Frappe's own list of the site's apps.
///
/// # Errors
/// A stop signal.
pub async fn list_apps(pod: &Pod, bench: &ScratchBench, manifest: &Manifest) -> Flow<Check> {
    let (ok, output) = run(pod, bench.frappe(&["list-apps"])).await?;
    let listed: BTreeSet<&str> = output.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let missing: Vec<&str> =
        manifest.apps.iter().map(|app| app.name.as_str()).filter(|app| !listed.contains(app)).collect();
    Ok(match (ok, missing.is_empty()) {
        (true, true) => Check::passed("list-apps", format!("{} apps", manifest.apps.len())),
        (true, false) => Check::failed("list-apps", format!("{} not listed", missing.join(", "))),
        (false, _) => Check::failed("list-apps", last_line(&output)),
    })
}

/// A command that must exit 0.
///
/// # Errors
/// A stop signal.
pub async fn command(pod: &Pod, bench: &ScratchBench, words: &[&str]) -> Flow<Check> {
    let name = words.first().copied().unwrap_or_default();
    let started = std::time::Instant::now();
    let (ok, output) = run(pod, bench.frappe(words)).await?;
    Ok(match ok {
        true => Check::passed(name, format!("{} ms", started.elapsed().as_millis())),
        false => Check::failed(name, last_line(&output)),
    })
}

fn last_line(output: &str) -> String {
    output
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("without a message")
        .trim()
        .to_string()
}

/// True for the signals that others send. A program that crashes gets another one.
pub fn is_from_outside(exit: Exit) -> bool {
    let signals = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];
    signals.iter().any(|signal| exit == Exit::Signaled(*signal as i32))
}

/// Runs a program to its end; returns whether it exited 0, and its last lines.
async fn run(pod: &Pod, spec: Spec) -> Flow<(bool, String)> {
    let lines = Arc::new(Mutex::new(Vec::<String>::new()));
    let (kept, status) = (lines.clone(), pod.status.clone());
    let handler = move |line: OutputLine<'_>| {
        status.progress();
        let text = String::from_utf8_lossy(line.text).into_owned();
        tracing::debug!(event = "verify.output", text, "output of Frappe in scratch");
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MAX_LINES {
            kept.remove(0);
        }
        kept.push(text);
    };
    let spec = Spec { output: Output::Lines(Arc::new(handler)), ..spec };
    let child = pod.processes.spawn(&spec).map_err(|error| error.fault())?;
    let exit = tokio::select! {
        exit = child.exited() => Some(exit),
        signal = pod.shutdown.stop_requested() => {
            child.stop(Signal::SIGTERM, GRACE, pod.shutdown.forced()).await;
            return Err(Stopped::Signal(signal));
        }
        () = tokio::time::sleep(COMMAND_LIMIT) => None,
    };
    child.stop(Signal::SIGKILL, Duration::from_secs(1), std::future::pending()).await;
    child.drained(Duration::from_secs(5)).await;
    let text = lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
    if let Some(exit) = exit.filter(|exit| is_from_outside(*exit)) {
        return Err(interrupted(&format!("{} {exit} in scratch", spec.name)).into());
    }
    Ok(match exit {
        Some(exit) => (exit.success(), text),
        None => (false, format!("{text}\nit did not end within an hour")),
    })
}
