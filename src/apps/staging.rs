//! Where a bundle is made: a folder beside the bundles, which nobody else looks into.
//!
//! It goes away with its value; a process that is killed leaves it behind. Whoever makes one holds a lock
//! on it, so what a dead one left is known, and cleared by the next.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::outcome::{Fault, Result};

const PREFIX: &str = ".staging-";
const LOCK: &str = ".lock";
/// Between a folder and its lock a process may be slow; a lock may not reach other machines (9p, NFS
/// without locks), whose own work is over by then.
const LEFT_BY_ANOTHER: Duration = Duration::from_secs(3_600);
const LEFT_BY_US: Duration = Duration::from_secs(5);

/// A folder of our own on the file system of the bundles.
pub struct Staging {
    folder: TempDir,
    _lock: File,
}

impl Staging {
    /// Makes one under `bundles`, and clears what dead ones left there.
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

    /// The bundle in the making.
    pub fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    /// The app's source in it.
    pub fn source(&self) -> PathBuf {
        self.bundle().join("source")
    }

    /// What git brings.
    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// For everything else; it goes away.
    pub fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    /// Where a broken bundle is put out of the way.
    pub fn trash(&self) -> PathBuf {
        self.folder.path().join("trash")
    }
}

/// What a killed process left. Another's is taken for dead only when its lock is free.
fn clear(bundles: &Path) {
    let ours = format!("{PREFIX}{}-", host());
    for entry in fs::read_dir(bundles).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) || is_locked(&entry.path().join(LOCK)) {
            continue;
        }
        let patience = if name.starts_with(&ours) { LEFT_BY_US } else { LEFT_BY_ANOTHER };
        let age = entry
            .metadata()
            .and_then(|data| data.modified())
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age >= patience) {
            tracing::info!(folder = name, "clearing what an unfinished fetch left");
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::warn!(folder = name, %error, "cannot clear it");
            }
        }
    }
}

fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

/// A pod keeps its name when its container starts again.
fn host() -> String {
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.unwrap_or_default().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_one_left_is_cleared_and_a_living_ones_work_is_not() {
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
