//! Servers that a killed supervisor left running: stopped before new ones start on the same files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::data::DataFolder;
use crate::outcome::{Fault, Result};

const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// Stops what still runs in the data folder. The folder's lock is ours, so nobody supervises it.
pub async fn stop_all(data: &DataFolder) -> Result<()> {
    for (name, pid_file, signal) in
        [("postgres", "postmaster.pid", Signal::SIGINT), ("redis", "redis.pid", Signal::SIGTERM)]
    {
        let folder = data.path.join(name);
        if let Some(pid) = running_in(&folder, pid_file) {
            tracing::info!(server = name, %pid, "stopping what an earlier start left running");
            let _ = kill(pid, signal);
            wait_gone(&folder, pid_file, name).await?;
        }
    }
    Ok(())
}

async fn wait_gone(folder: &Path, pid_file: &str, name: &str) -> Result<()> {
    let deadline = Instant::now() + STOPS_WITHIN;
    while let Some(pid) = running_in(folder, pid_file) {
        if Instant::now() > deadline {
            return Err(Fault::try_again(
                format!("{name} (pid {pid}) of an earlier start does not stop"),
                format!("end it by hand, then start again: kill {pid}"),
            ));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// The pid that the file names, if that process really works in this folder: a pid alone may be
/// anybody's by now (HAZARDS 12).
fn running_in(folder: &Path, pid_file: &str) -> Option<Pid> {
    let text = fs::read_to_string(folder.join(pid_file)).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    (pid > 1 && cwd == fs::canonicalize(folder).ok()?).then(|| Pid::from_raw(pid))
}
