//! `backup open`: a backup in scratch, for rows that are missed days later. It runs no code of the site, and is deleted
//! after a time.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Report, purpose, restore};
use crate::outcome::{Fault, Flow, Stopped};
use crate::pod::Pod;
use crate::restore::repository;
use crate::scratch::Scratch;
use crate::telemetry;

/// Restores the backup into scratch, prints the command that opens it, and waits until the time is over or a stop is
/// requested.
///
/// # Errors
/// 65 for a damaged backup; 75 without the space; the fault of the repository.
pub async fn open(pod: &Pod, wanted: &str, site: &str, lifetime: Duration) -> Flow<()> {
    let backup = repository::find(pod, wanted, site).await?;
    let scratch = Scratch::start(pod, &purpose(pod, &backup)).await?;
    let restored = restore(pod, &scratch, &backup, &mut Report::begin(&backup.manifest)).await;
    let ended = match restored {
        Ok((_, session)) => {
            telemetry::print(&described(&scratch, &backup.manifest.site, lifetime));
            tracing::info!(
                event = "backup.opened",
                id = backup.id().as_str(),
                lifetime_s = lifetime.as_secs(),
                "the backup is open"
            );
            tokio::select! {
                () = tokio::time::sleep(lifetime) => Ok(()),
                // Ending it is how it is closed.
                _ = pod.shutdown.stop_requested() => Ok(()),
                reason = session.closed() => Err(lost(&scratch, &reason).into()),
            }
        }
        Err(stopped) => Err(stopped),
    };
    scratch.stop().await;
    ended.map_err(|stopped: Stopped| stopped)
}

/// A server that restarts has the database again, but this is no longer the backup as it was opened.
fn lost(scratch: &Scratch, reason: &str) -> Fault {
    let cause =
        format!("the backup is no longer open: the session on scratch ({}) ended: {reason}", scratch.place());
    Fault::try_again(cause, "open it again")
}

fn described(scratch: &Scratch, site: &str, lifetime: Duration) -> String {
    let login = &scratch.login;
    let password = login.login.password.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    let (host, database) = (&scratch.database.host, &login.database);
    let files = scratch.folder.path().join("bench/sites").join(site);
    format!(
        "PGPASSWORD={password} psql -h {host} -U {database} {database}\nfiles: {}\nopen for {} min; stop this command to \
         close it\n",
        files.display(),
        lifetime.as_secs() / 60
    )
}
