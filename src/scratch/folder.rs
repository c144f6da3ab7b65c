//! The folder of a scratch: named, locked, sized beforehand, and deleted at the end or by the next one.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, timeout_at};

use crate::bench::file_thread::on_file_thread;
use crate::embedded::private;
use crate::outcome::{Fault, Result};
use crate::pod::Pod;
use crate::record::volume::random_id;
use crate::restore::space;
use crate::sys::proc::working_in;

const PREFIX: &str = "cauldron-scratch-";
const LOCK: &str = "lock";
/// PostgreSQL's own files, and Redis.
const BASE_BYTES: u64 = 200 * 1024 * 1024;
/// The time for the processes of a killed one to end after KILL.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// A folder that this process has locked.
pub struct ScratchFolder {
    path: PathBuf,
    _lock: File,
}

impl ScratchFolder {
    /// Creates a folder on a file system with enough space.
    ///
    /// # Errors
    /// 75 without the space, 77 and 78 as for any file.
    pub fn create(pod: &Pod, needed_bytes: u64) -> Result<Self> {
        let parent = parent(pod);
        let fault = |error: &std::io::Error| {
            Fault::file(format!("cannot make a folder in {}", parent.display()), error)
        };
        let hint = "set CAULDRON_SCRATCH_DIR to a folder with more space, such as an emptyDir";
        space::require(&parent, "the restored site", needed_bytes.saturating_add(BASE_BYTES), hint)?;
        let path = parent.join(format!("{PREFIX}{}", &random_id()[..8]));
        fs::create_dir(&path).map_err(|error| fault(&error))?;
        // The servers may run as another user, who has to enter it; their own folder is theirs alone.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o711)).map_err(|error| fault(&error))?;
        let lock = File::create(path.join(LOCK)).map_err(|error| fault(&error))?;
        lock.lock().map_err(|error| fault(&error))?;
        Ok(Self { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the folder of a socket that only our user can enter.
    ///
    /// # Errors
    /// As for any file.
    pub fn socket_folder(&self) -> Result<PathBuf> {
        let path = self.path.join("db");
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| Fault::file(format!("cannot create {}", path.display()), &error))?;
        Ok(path)
    }

    /// Deletes it.
    pub async fn remove(self) {
        remove(self.path.clone()).await;
    }
}

async fn remove(path: PathBuf) {
    let shown = path.display().to_string();
    let removed = on_file_thread(move || fs::remove_dir_all(path)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(event = "scratch.not_removed", folder = shown, %error, "cannot delete the scratch folder");
    }
}

/// Deletes the folders of processes that were killed, and ends what runs in them.
///
/// # Errors
/// 75 if a process does not end.
pub async fn remove_leftovers(pod: &Pod) -> Result<()> {
    for entry in fs::read_dir(parent(pod)).into_iter().flatten().flatten() {
        let path = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let lock = File::options().write(true).open(path.join(LOCK));
        if lock.as_ref().is_ok_and(|lock| lock.try_lock().is_err()) {
            continue;
        }
        let folder = path.display().to_string();
        tracing::info!(
            event = "scratch.leftover_removed",
            folder,
            "deleting the scratch of a killed process"
        );
        let servers = path.join("servers");
        if servers.exists() {
            private::stop_leftovers(&servers).await?;
        }
        for part in ["servers", "run"] {
            end_processes(&path.join(part)).await?;
        }
        remove(path).await;
    }
    Ok(())
}

/// Kills the processes whose working folder is in `folder`, which holds only our programs: an operator's shell may be in
/// the folder of the restored files. The kernel kills the children of a killed process, but not their children: a web
/// worker checks for its server only between two requests, and may run for another minute.
async fn end_processes(folder: &Path) -> Result<()> {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    let deadline = Instant::now() + END_TIMEOUT;
    loop {
        let left = working_in(&folder);
        if left.is_empty() {
            return Ok(());
        }
        for (pid, process) in &left {
            tracing::info!(event = "scratch.process_ended", pid, "ending a process of a killed verification");
            let _ = process.signal(Signal::SIGKILL);
        }
        for (pid, process) in &left {
            if timeout_at(deadline, process.ended()).await.is_err() {
                return Err(Fault::try_again(
                    format!(
                        "pid {pid} of a killed verification does not end, and works in {}",
                        folder.display()
                    ),
                    format!("end it with `kill -9 {pid}`, then start again"),
                ));
            }
        }
    }
}

/// CAULDRON_SCRATCH_DIR, else the folder for temporary files.
fn parent(pod: &Pod) -> PathBuf {
    pod.config.scratch_dir.clone().unwrap_or_else(std::env::temp_dir)
}
