//! The front's own folder in the runtime folder: gunicorn's socket, compressed copies, bodies on their
//! way. Nobody but this user enters it, and it goes with the front.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::sys::sysinfo::sysinfo;
use tempfile::TempDir;

use super::budget::{Budget, Kind};
use super::spool_file::{NotKept, SpoolFile};
use crate::outcome::{Fault, Result};
use crate::sys::cgroup;

#[derive(Debug)]
pub struct Runtime {
    folder: TempDir,
    budget: Arc<Budget>,
    /// Held for as long as the folder is in use.
    _lock: File,
}

const PREFIX: &str = "web-";
const LOCK: &str = "lock";
/// What the kernel takes as a socket's path (unix(7)), less its end.
const LONGEST_SOCKET_PATH: usize = 107;

impl Runtime {
    /// Makes it, and removes what a front that was killed left behind.
    ///
    /// # Errors
    /// 77 and its kin where the runtime folder cannot be used.
    pub fn new(runtime: &Path) -> Result<Self> {
        sweep(runtime);
        let made = || -> io::Result<Self> {
            let private = fs::Permissions::from_mode(0o700);
            let folder = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(runtime)?;
            let lock = File::create(folder.path().join(LOCK))?;
            lock.lock()?;
            fs::create_dir(folder.path().join("compressed"))?;
            let budget = Budget::new(memory_limit_bytes(folder.path()));
            Ok(Self { folder, budget, _lock: lock })
        };
        let runtime_folder =
            made().map_err(|error| Fault::file(format!("cannot write {}", runtime.display()), &error))?;
        let socket = runtime_folder.socket();
        if socket.as_os_str().len() > LONGEST_SOCKET_PATH {
            return Err(Fault::configuration(
                format!("{} is too long for a socket's path", socket.display()),
                "set CAULDRON_RUNTIME_DIR to a folder with a shorter path",
            ));
        }
        Ok(runtime_folder)
    }

    /// Where gunicorn listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("gunicorn.sock")
    }

    pub fn compressed(&self) -> PathBuf {
        self.folder.path().join("compressed")
    }
}

impl Runtime {
    /// Of all that is kept there on its way.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Adds to a file, a new one where none is given; gives the bytes' memory back, too.
    ///
    /// # Errors
    /// No room for it, or the disk's own.
    pub async fn append<B>(
        &self,
        kind: Kind,
        file: Option<Arc<SpoolFile>>,
        bytes: B,
    ) -> std::result::Result<(Arc<SpoolFile>, B), NotKept>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        let (folder, budget) = (self.folder.path().to_path_buf(), self.budget.clone());
        let writing = move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(SpoolFile::new(&folder, &budget, kind)?),
            };
            file.append(bytes.as_ref())?;
            Ok((file, bytes))
        };
        tokio::task::spawn_blocking(writing).await.unwrap_or_else(|gone| Err(io::Error::other(gone).into()))
    }
}

/// What a folder in memory takes is taken from the container's processes. None for one that is on a disk.
fn memory_limit_bytes(folder: &Path) -> Option<u64> {
    let is_memory = statfs(folder).is_ok_and(|system| system.filesystem_type() == TMPFS_MAGIC);
    let limit = || cgroup::limits().memory_bytes.or_else(|| Some(sysinfo().ok()?.ram_total()));
    if is_memory { limit() } else { None }
}

/// A folder whose lock is free is nobody's.
fn sweep(runtime: &Path) {
    for entry in fs::read_dir(runtime).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let lock = entry.path().join(LOCK);
        if is_ours && File::open(lock).is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_behind_is_removed_and_what_is_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = folder.path().join("web-abcd");
        fs::create_dir(&abandoned).unwrap();
        File::create(abandoned.join(LOCK)).unwrap();
        fs::create_dir(folder.path().join("web-of-somebody")).unwrap();
        let first = Runtime::new(folder.path()).unwrap();
        let second = Runtime::new(folder.path()).unwrap();
        assert!(!abandoned.exists() && folder.path().join("web-of-somebody").exists());
        assert!(first.compressed().exists() && second.compressed().exists());
        drop(first);
        assert!(second.compressed().exists());
    }
}
