//! Which pg_dump dumps this server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::site::Site;
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

/// Finds the program, and compares its version with the server's.
///
/// # Errors
/// 78 if it is missing, or older than the server.
pub async fn check(pod: &Pod, site: &Site) -> Result<PgDump> {
    let server = major(site.connection.version());
    let path = dump::program(server);
    let version = version(pod, &path)
        .await
        .map_err(|reason| refused(&format!("`pg_dump --version`: {reason}"), server))?;
    match (major(&version), server) {
        (Some(client), Some(server)) if !dump::can_dump(client, server) => {
            let cause = format!("pg_dump is version {client}, the server is version {server}");
            Err(refused(&cause, Some(server)))
        }
        _ => Ok(PgDump { path, version }),
    }
}

async fn version(pod: &Pod, path: &Path) -> std::result::Result<String, String> {
    let env = ChildEnvironment::inherited().into_map();
    let line = program_version(&pod.processes, PROGRAM, path, env, TIMEOUT).await?;
    Ok(line.trim_start_matches("pg_dump (PostgreSQL) ").to_string())
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
