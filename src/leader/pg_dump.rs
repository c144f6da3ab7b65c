//! Which pg_dump dumps this server: for backups into the repository, and for the one before a migration.

use std::path::PathBuf;
use std::time::Duration;

use crate::frappe::environment::ChildEnvironment;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::pod::Pod;
use crate::postgres::dump::{self, PROGRAM};
use crate::postgres::version::major;
use crate::supervise::program_version::program_version;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A pg_dump that can dump the server.
pub struct PgDump {
    pub path: PathBuf,
    /// As it reports itself: `15.8 (Debian 15.8-0+deb12u1)`.
    pub version: String,
}

/// Finds the program, and compares its version with the server's: `15.8 (Debian …)`.
///
/// # Errors
/// 78 if it is missing, or older than the server.
pub async fn check(pod: &Pod, server_version: &str) -> Result<PgDump> {
    let server = major(server_version);
    let path = dump::program(server);
    let env = ChildEnvironment::inherited().into_map();
    let line = program_version(&pod.processes, PROGRAM, &path, env, TIMEOUT)
        .await
        .map_err(|reason| refused(&format!("`pg_dump --version`: {reason}"), server))?;
    let version = line.trim_start_matches("pg_dump (PostgreSQL) ").to_string();
    match (major(&version), server) {
        (Some(client), Some(server)) if !dump::can_dump(client, server) => {
            let cause = format!("pg_dump is version {client}, the server is version {server}");
            Err(refused(&cause, Some(server)))
        }
        _ => Ok(PgDump { path, version }),
    }
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
