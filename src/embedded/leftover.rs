//! Servers that a killed supervisor left running; they are stopped before new ones start on the same files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::data::DataFolder;
use crate::outcome::{Fault, Result};
use crate::sys::pidfd::PidFd;

const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Stops servers that still run in the data folder. We hold the folder's lock, so no other process supervises them.
///
/// # Errors
/// 75 if a server does not stop in time.
pub async fn stop_all(data: &DataFolder) -> Result<()> {
    for (name, pid_file, signal) in
        [("postgres", "postmaster.pid", Signal::SIGINT), ("redis", "redis.pid", Signal::SIGTERM)]
    {
        let Some((pid, process)) = running_in(&data.path.join(name), pid_file) else { continue };
        tracing::info!(
            event = "embedded.leftover_found",
            server = name,
            pid,
            "stopping a server that an earlier start left running"
        );
        let stopped = async {
            process.signal(signal)?;
            process.ended().await
        };
        match tokio::time::timeout(STOP_TIMEOUT, stopped).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(event = "embedded.leftover_ended", %error, "the server had already ended");
            }
            Err(_) => {
                return Err(Fault::try_again(
                    format!(
                        "{name} (pid {pid}) of an earlier start did not stop within {} s",
                        STOP_TIMEOUT.as_secs()
                    ),
                    format!("end it with `kill {pid}`, then start again"),
                ));
            }
        }
    }
    Ok(())
}

/// Returns the process that the file names, if its working directory is this folder: the pid may have been reused.
/// The descriptor is opened first, so that the check and the signal concern one process.
fn running_in(folder: &Path, pid_file: &str) -> Option<(i32, PidFd)> {
    let text = fs::read_to_string(folder.join(pid_file)).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)?;
    let process = PidFd::open(pid).ok()?;
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    (cwd == fs::canonicalize(folder).ok()?).then_some((pid, process))
}
