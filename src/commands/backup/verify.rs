//! `backup verify` and `backup open`: a backup in scratch, examined, or opened for an operator.

use std::time::Duration;

use crate::cli::Format;
use crate::outcome::refusal::Refusal;
use crate::outcome::{DONE, FOREIGN_DATA, Fault, Flow, Result};
use crate::pod::Pod;
use crate::{telemetry, verify_backup};

/// Prints the report; 65 if the backup does not work.
///
/// # Errors
/// As [`verify_backup::verify`].
pub async fn verify(pod: &Pod, backup: &str, format: Format) -> Flow<u8> {
    let report = verify_backup::verify(pod, backup, site(pod)?).await?;
    telemetry::print(&match format {
        Format::Text => report.text(),
        Format::Json => format!("{}\n", String::from_utf8_lossy(&report.json())),
    });
    match report.failed() {
        None => Ok(DONE),
        Some(failed) => Err(Fault::new(
            FOREIGN_DATA,
            format!("backup {} does not work: {failed}", report.backup),
            "take a new backup, verify it, and find out what damaged this one: `backup exec -- restic check --read-data`",
        )
        .named(Refusal::BackupDamaged)
        .into()),
    }
}

/// Opens a backup until its time is over, or until the command is stopped.
///
/// # Errors
/// As [`verify_backup::open`].
pub async fn open(pod: &Pod, backup: &str, minutes: u64) -> Flow<u8> {
    verify_backup::open(pod, backup, site(pod)?, Duration::from_secs(minutes.saturating_mul(60))).await?;
    Ok(DONE)
}

fn site(pod: &Pod) -> Result<&str> {
    let site = pod.config.site.as_deref();
    site.ok_or_else(|| Fault::configuration("the site is not configured", "set SITE_NAME"))
}
