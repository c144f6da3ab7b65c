//! Servers that a killed supervisor left running: stopped before new ones start on the same files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::data::DataFolder;
use crate::outcome::{Fault, Result};
use crate::sys::pidfd::PidFd;

const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// Stops what still runs in the data folder. The folder's lock is ours, so nobody supervises it.
///
/// # Errors
/// 75 where it does not stop in time.
pub async fn stop_all(data: &DataFolder) -> Result<()> {
    for (name, pid_file, signal) in
        [("postgres", "postmaster.pid", Signal::SIGINT), ("redis", "redis.pid", Signal::SIGTERM)]
    {
        let Some((pid, process)) = running_in(&data.path.join(name), pid_file) else { continue };
        tracing::info!(server = name, pid, "stopping what an earlier start left running");
        let stopped = async {
            process.signal(signal)?;
            process.ended().await
        };
        match tokio::time::timeout(STOPS_WITHIN, stopped).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "it ended by itself"),
            Err(_) => {
                return Err(Fault::try_again(
                    format!("{name} (pid {pid}) of an earlier start does not stop"),
                    format!("end it by hand, then start again: kill {pid}"),
                ));
            }
        }
    }
    Ok(())
}

/// The process that the file names, if it really works in this folder: a number alone may be
/// anybody's by now. The descriptor comes first, so that it is this very process that is looked at.
fn running_in(folder: &Path, pid_file: &str) -> Option<(i32, PidFd)> {
    let text = fs::read_to_string(folder.join(pid_file)).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)?;
    let process = PidFd::open(pid).ok()?;
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    (cwd == fs::canonicalize(folder).ok()?).then_some((pid, process))
}
