//! The staging folder in which a bundle is made: a hidden folder next to the bundles, which other pods ignore.
//!
//! It is deleted when its value is dropped; a killed process leaves it behind. Its process holds a lock on it, so that
//! the next process can recognise and delete abandoned folders.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::outcome::{Fault, Result};

const PREFIX: &str = ".staging-";
const LOCK: &str = ".lock";
/// The ages after which an unlocked folder counts as abandoned. A process takes some time between creating the folder
/// and locking it. A lock may not be visible on other machines (9p, NFS without locks), whose work ends within an hour.
const OTHER_HOST_STALE_AFTER: Duration = Duration::from_secs(3_600);
const OWN_HOST_STALE_AFTER: Duration = Duration::from_secs(5);

/// A folder of our own on the file system of the bundles.
pub struct Staging {
    folder: TempDir,
    _lock: File,
}

impl Staging {
    /// Creates a staging folder in `bundles`, and deletes abandoned ones.
    pub fn make(bundles: &Path) -> Result<Self> {
        let fault = |error: &io::Error| Fault::file(format!("cannot write {}", bundles.display()), error);
        fs::create_dir_all(bundles).map_err(|error| fault(&error))?;
        clear(bundles);
        let make = || {
            let folder =
                tempfile::Builder::new().prefix(&format!("{PREFIX}{}-", host())).tempdir_in(bundles)?;
            let lock = File::create(folder.path().join(LOCK))?;
            lock.try_lock()?;
            Ok(Self { folder, _lock: lock })
        };
        make().map_err(|error: io::Error| fault(&error))
    }

    /// The folder of the unfinished bundle.
    pub fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    /// The app's source in the bundle.
    pub fn source(&self) -> PathBuf {
        self.bundle().join("source")
    }

    /// The folder into which git fetches.
    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// The folder for all other temporary files.
    pub fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    /// The path to which an incomplete bundle is moved.
    pub fn trash(&self) -> PathBuf {
        self.folder.path().join("trash")
    }
}

/// Deletes abandoned staging folders: those that are unlocked and old enough.
fn clear(bundles: &Path) {
    let ours = format!("{PREFIX}{}-", host());
    for entry in fs::read_dir(bundles).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) || is_locked(&entry.path().join(LOCK)) {
            continue;
        }
        let stale_after = if name.starts_with(&ours) { OWN_HOST_STALE_AFTER } else { OTHER_HOST_STALE_AFTER };
        let age = entry
            .metadata()
            .and_then(|data| data.modified())
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age >= stale_after) {
            tracing::info!(
                event = "bundle.abandoned_staging_found",
                folder = name,
                "deleting an abandoned folder"
            );
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::warn!(event = "bundle.abandoned_staging_not_deleted", folder = name, %error, "cannot delete an abandoned folder");
            }
        }
    }
}

fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

/// The host name, which a pod keeps when its container restarts.
fn host() -> String {
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.unwrap_or_default().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_folders_are_deleted_and_locked_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let old = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            let lock = File::create(path.join(LOCK)).unwrap();
            let long_ago = SystemTime::now() - Duration::from_secs(7_200);
            File::open(&path).unwrap().set_modified(long_ago).unwrap();
            (path, lock)
        };
        let (dead, _) = old(".staging-other-1");
        let (alive, lock) = old(".staging-other-2");
        lock.try_lock().unwrap();
        let (bundle, _) = old("app");
        let staging = Staging::make(folder.path()).unwrap();
        assert!(!dead.exists() && alive.exists() && bundle.exists());
        let path = staging.folder.path().to_path_buf();
        assert!(is_locked(&path.join(LOCK)));
        drop(staging);
        assert!(!path.exists());
    }
}
