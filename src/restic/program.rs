//! Whether restic is there and new enough, before any work.

use std::time::Duration;

use super::run::{Restic, Words};
use super::version::{OLDEST, Version};
use crate::outcome::refusal::Refusal;
use crate::outcome::{CANNOT_EXECUTE, Fault, Flow, NOT_FOUND, Stopped};

const TIMEOUT: Duration = Duration::from_secs(30);
const HINT: &str = "add Debian's package restic to the image (Debian 12 or newer)";

impl Restic<'_> {
    /// Checks the program on PATH.
    ///
    /// # Errors
    /// 78 if it is missing, too old, or not restic.
    pub async fn check_program(&self) -> Flow<Version> {
        let ran = self.run_within(Words::new(["version"]), Some(TIMEOUT)).await;
        let ran = ran.map_err(|stopped| match stopped {
            Stopped::Fault(fault) if matches!(fault.code, NOT_FOUND | CANNOT_EXECUTE) => {
                refused(format!("restic, which keeps the backups, cannot be started: {}", fault.cause))
            }
            other => other,
        })?;
        match Version::parse(&String::from_utf8_lossy(&ran.stdout)) {
            Some(version) if version >= OLDEST => Ok(version),
            Some(version) => {
                Err(refused(format!("restic is version {version}, and {OLDEST} is the oldest that is known")))
            }
            None => Err(refused("the program restic on PATH does not say which version it is".into())),
        }
    }
}

fn refused(cause: String) -> Stopped {
    Fault::configuration(cause, HINT).named(Refusal::ResticMissing).into()
}
