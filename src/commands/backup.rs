//! `backup`, `backup list`, `backup forget`, `backup exec`: backups of the site in a restic repository.

mod exec;
mod forget;
mod list;
mod verify;

use super::once::SWEEP_GRACE;
use crate::backups::tags::Why;
use crate::cli::{Backup, BackupCommand, Format};
use crate::config::Config;
use crate::outcome::{DONE, Flow};
use crate::pod::Pod;
use crate::status::handle::{RoleName, StatusHandle};
use crate::supervise::signals::Shutdown;
use crate::take_backup::{self, Request};
use crate::telemetry;

/// # Errors
/// The fault that kept the command from its work; a signal.
pub async fn backup(config: Config, backup: Backup, format: Format, shutdown: &Shutdown) -> Flow<u8> {
    let status = StatusHandle::new(RoleName::Backup, config.site.clone());
    let pod = Pod::start(config, &status, shutdown)?;
    let done = match backup.what {
        None => take(&pod, backup.scheduled, backup.beside, format).await,
        Some(BackupCommand::List) => list::list(&pod, format).await,
        Some(BackupCommand::Forget { yes }) => forget::forget(&pod, yes, format).await,
        Some(BackupCommand::Verify { backup }) => verify::verify(&pod, &backup, format).await,
        Some(BackupCommand::Open { backup, minutes }) => verify::open(&pod, &backup, minutes).await,
        Some(BackupCommand::Exec { command }) => exec::exec(&pod, command).await,
    };
    pod.processes.sweep(SWEEP_GRACE, shutdown.forced()).await;
    done
}

async fn take(pod: &Pod, scheduled: bool, beside: Option<String>, format: Format) -> Flow<u8> {
    let why = if scheduled { Why::Schedule } else { Why::ByHand };
    let manifest = take_backup::take(pod, &Request { why, beside }).await?;
    telemetry::print(&match format {
        Format::Text => format!("{}\n", manifest.backup),
        Format::Json => format!("{}\n", String::from_utf8_lossy(&manifest.json())),
    });
    Ok(DONE)
}
