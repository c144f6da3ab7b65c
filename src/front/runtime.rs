//! The front's own folder in the runtime folder: gunicorn's socket, compressed copies, bodies on their
//! way. Nobody but this user enters it, and it goes with the front.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::outcome::{Fault, Result};

#[derive(Debug)]
pub struct Runtime {
    folder: TempDir,
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
            Ok(Self { folder, _lock: lock })
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
    /// Adds to a file that has no name, a new one where none is given; gives the bytes' memory back, too.
    ///
    /// # Errors
    /// Those of the disk.
    pub async fn append<B>(&self, file: Option<Arc<File>>, bytes: B) -> io::Result<(Arc<File>, B)>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        let folder = self.folder.path().to_path_buf();
        let writing = move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(tempfile::tempfile_in(folder)?),
            };
            (&*file).write_all(bytes.as_ref())?;
            Ok((file, bytes))
        };
        tokio::task::spawn_blocking(writing).await.unwrap_or_else(|gone| Err(io::Error::other(gone)))
    }
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
