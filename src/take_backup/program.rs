//! Which pg_dump dumps this server.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use super::site::Site;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::pod::Pod;
use crate::postgres::dump::{self, PROGRAM};
use crate::postgres::version::major;
use crate::supervise::output::OutputLine;
use crate::supervise::spawn::{Output, Spec};

/// A pg_dump that can dump the server.
pub struct PgDump {
    pub path: OsString,
    /// As it reports itself: `15.8 (Debian 15.8-0+deb12u1)`.
    pub version: String,
}

/// Finds the program, and compares its version with the server's.
///
/// # Errors
/// 78 if it is missing, or older than the server.
pub async fn check(pod: &Pod, site: &Site) -> Result<PgDump> {
    let server = major(site.connection.version());
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let path = server
        .and_then(|server| dump::program_for_major(&on_path, server))
        .map_or_else(|| PROGRAM.into(), Into::into);
    let version = version(pod, &path).await.map_err(|fault| refused(&fault.cause, server))?;
    match (major(&version), server) {
        (Some(client), Some(server)) if !dump::can_dump(client, server) => {
            let cause = format!("pg_dump is version {client}, the server is version {server}");
            Err(refused(&cause, Some(server)))
        }
        _ => Ok(PgDump { path, version }),
    }
}

async fn version(pod: &Pod, path: &OsString) -> Result<String> {
    let said = Arc::new(Mutex::new(String::new()));
    let heard = said.clone();
    let handler = move |line: OutputLine<'_>| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(line.text));
    };
    let spec = Spec {
        args: vec!["--version".into()],
        env: ChildEnvironment::inherited().into_map(),
        output: Output::Lines(Arc::new(handler)),
        ..Spec::new(PROGRAM, path)
    };
    let child = pod.processes.spawn(&spec).map_err(|error| error.fault())?;
    child.exited().await;
    child.drained(std::time::Duration::from_secs(5)).await;
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(said.trim_start_matches("pg_dump (PostgreSQL) ").trim().to_string())
}

fn refused(cause: &str, server: Option<u32>) -> Fault {
    let package =
        server.map_or_else(|| "postgresql-client".into(), |server| format!("postgresql-client-{server}"));
    Fault::configuration(
        format!("no backup can be taken: {cause}"),
        format!("install {package} (or newer) in the image"),
    )
    .named(Refusal::BackupImpossible)
}
