//! The front's own folder in the runtime folder: gunicorn's socket, and buffered bodies. Only
//! this user can enter it, and it is removed with the front.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::sys::statvfs::statvfs;
use nix::sys::sysinfo::sysinfo;
use tempfile::TempDir;

use super::budget::{Budget, FolderLimit, Kind, Place, Space};
use super::spool_file::{SpoolError, SpoolFile};
use crate::outcome::{Fault, Result};
use crate::sys::cgroup;

#[derive(Debug)]
pub struct Runtime {
    folder: TempDir,
    budget: Arc<Budget>,
    largest_body_bytes: u64,
    /// Locked while the folder is in use.
    _lock: File,
}

const PREFIX: &str = "web-";
const LOCK: &str = "lock";
/// The longest path of a socket (unix(7)), without the final zero.
const MAX_SOCKET_PATH_BYTES: usize = 107;

impl Runtime {
    /// Creates the folder, and removes those that killed processes left behind. `size_bytes` is CAULDRON_RUNTIME_SIZE.
    ///
    /// # Errors
    /// 75, 77 or 78 if the runtime folder cannot be used, or if its path is too long.
    pub fn new(runtime: &Path, size_bytes: Option<u64>) -> Result<Self> {
        remove_abandoned(runtime);
        let create = || -> io::Result<Self> {
            let private = fs::Permissions::from_mode(0o700);
            let folder = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(runtime)?;
            let lock = File::create(folder.path().join(LOCK))?;
            lock.lock()?;
            let folder_limit = folder_limit(folder.path(), size_bytes);
            let total_bytes = Space::of(statvfs(folder.path())?).total_bytes;
            let largest_body_bytes = folder_limit.largest_body_bytes(total_bytes);
            Ok(Self { folder, budget: Budget::new(folder_limit), largest_body_bytes, _lock: lock })
        };
        let runtime_folder =
            create().map_err(|error| Fault::file(format!("cannot write {}", runtime.display()), &error))?;
        let socket = runtime_folder.socket();
        if socket.as_os_str().len() > MAX_SOCKET_PATH_BYTES {
            return Err(Fault::configuration(
                format!("{} is too long for the path of a Unix socket", socket.display()),
                "set CAULDRON_RUNTIME_DIR to a folder with a shorter path",
            ));
        }
        Ok(runtime_folder)
    }

    /// The path of gunicorn's socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("gunicorn.sock")
    }

    /// The budget of all buffered bytes.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The largest request body that has room: that the folder can take while it is otherwise empty.
    pub fn largest_body_bytes(&self) -> u64 {
        self.largest_body_bytes
    }

    /// Appends to a file, or to a new one if none is given, of which `expected_bytes` are expected. If it `may_displace`,
    /// slow bodies give way to it.
    ///
    /// # Errors
    /// No room in the budget, or an error of the disk.
    pub async fn append(
        &self,
        kind: Kind,
        file: Option<Arc<SpoolFile>>,
        expected_bytes: u64,
        bytes: Bytes,
        may_displace: bool,
    ) -> std::result::Result<Arc<SpoolFile>, SpoolError> {
        let folder = self.folder.path().to_path_buf();
        let charge = self.budget.charge(kind, Place::Disk, expected_bytes);
        let writing = move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(SpoolFile::new(&folder, charge)?),
            };
            file.append(&bytes, may_displace)?;
            Ok(file)
        };
        tokio::task::spawn_blocking(writing).await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }
}

/// What limits the folder: the size that was given, or if the folder is in memory, where its files count as memory of
/// the container, its memory limit.
fn folder_limit(folder: &Path, size_bytes: Option<u64>) -> FolderLimit {
    let is_memory = statfs(folder).is_ok_and(|system| system.filesystem_type() == TMPFS_MAGIC);
    let memory_bytes = || cgroup::limits().memory_bytes.or_else(|| Some(sysinfo().ok()?.ram_total()));
    match size_bytes {
        Some(bytes) => FolderLimit::Size(bytes),
        None if is_memory => memory_bytes().map_or(FolderLimit::None, FolderLimit::Memory),
        None => FolderLimit::None,
    }
}

/// Removes the folders whose lock is free, since their supervisors have ended, unless a gunicorn still stops there.
fn remove_abandoned(runtime: &Path) {
    for entry in fs::read_dir(runtime).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let lock = entry.path().join(LOCK);
        let is_unlocked = is_ours && File::open(lock).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_unlocked && !has_listener(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a process listens on a socket in this folder: gunicorn's arbiter fails and leaves its workers running if
/// it cannot unlink its socket (docs/frappe-contract.md#a-socket-that-gunicorn-cannot-unlink).
fn has_listener(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| UnixStream::connect(entry.path()).is_ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn abandoned_folders_are_removed_and_used_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = folder.path().join("web-abcd");
        fs::create_dir(&abandoned).unwrap();
        File::create(abandoned.join(LOCK)).unwrap();
        fs::create_dir(folder.path().join("web-of-somebody")).unwrap();
        let first = Runtime::new(folder.path(), None).unwrap();
        let second = Runtime::new(folder.path(), None).unwrap();
        assert!(!abandoned.exists() && folder.path().join("web-of-somebody").exists());
        assert!(first.folder.path().exists() && second.folder.path().exists());
        drop(first);
        assert!(second.folder.path().exists());
    }

    #[test]
    fn a_folder_where_gunicorn_still_listens_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = folder.path().join("web-abcd");
        fs::create_dir(&abandoned).unwrap();
        File::create(abandoned.join(LOCK)).unwrap();
        let listener = UnixListener::bind(abandoned.join("gunicorn.sock")).unwrap();
        Runtime::new(folder.path(), None).unwrap();
        assert!(abandoned.exists());
        drop(listener);
        Runtime::new(folder.path(), None).unwrap();
        assert!(!abandoned.exists());
    }
}
