//! The data folder: its lock, its owner, and the values that persist between starts.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use secrecy::SecretString;

use crate::bench::atomic_file::write_if_absent;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::record::volume::random_password;
use crate::supervise::spawn::Identity;

/// The folder, locked by this process.
pub struct DataFolder {
    pub path: PathBuf,
    /// The user that runs the servers when we are root: PostgreSQL refuses to run as root.
    pub identity: Option<Identity>,
    _lock: File,
}

impl DataFolder {
    pub fn open(path: &Path) -> Result<Self> {
        let fault =
            |doing: &str, error: &io::Error| Fault::file(format!("cannot {doing} {}", path.display()), error);
        fs::create_dir_all(path).map_err(|error| fault("create", &error))?;
        let lock = take_lock(path)?;
        let identity = if Uid::effective().is_root() { Some(server_user(path)?) } else { None };
        let data = Self { path: path.to_path_buf(), identity, _lock: lock };
        data.chown(path).map_err(|error| fault("change the owner of", &error))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(|error| fault("restrict the mode of", &error))?;
        data.check_reachable()?;
        Ok(data)
    }

    /// Creates a subfolder that only the servers' user can access.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        fs::create_dir_all(&path)
            .and_then(|()| self.chown(&path))
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o700)))
            .map_err(|error| Fault::file(format!("cannot create {}", path.display()), &error))?;
        Ok(path)
    }

    /// Changes the owner of a path to the servers' user.
    pub fn chown(&self, path: &Path) -> io::Result<()> {
        match &self.identity {
            Some(identity) => std::os::unix::fs::chown(path, Some(identity.uid), Some(identity.gid)),
            None => Ok(()),
        }
    }

    /// Returns a password that is generated once.
    pub fn password(&self, name: &str) -> Result<SecretString> {
        self.read_or_create(name, random_password).map(SecretString::from)
    }

    /// Returns a free port: the previous one, unless another process has taken it.
    pub fn port(&self, name: &str) -> Result<u16> {
        let previous = self.read_or_create(name, || free_port().to_string())?.parse().unwrap_or(0);
        if previous != 0 && TcpListener::bind(("127.0.0.1", previous)).is_ok() {
            return Ok(previous);
        }
        let path = self.path.join(name);
        let _ = fs::remove_file(&path);
        let port = free_port();
        self.read_or_create(name, || port.to_string())?;
        Ok(port)
    }

    fn read_or_create(&self, name: &str, create: impl FnOnce() -> String) -> Result<String> {
        let path = self.path.join(name);
        if !path.exists() {
            write_if_absent(&path, create().as_bytes(), 0o600)
                .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))?;
        }
        fs::read_to_string(&path)
            .map_err(|error| Fault::file(format!("cannot read {}", path.display()), &error))
    }

    /// Checks that the servers' user can enter the folder; root can enter any.
    fn check_reachable(&self) -> Result<()> {
        let Some(identity) = &self.identity else { return Ok(()) };
        let inaccessible = self.path.ancestors().skip(1).find(|folder| {
            fs::metadata(folder).is_ok_and(|m| {
                let mode = m.mode();
                let bit = match (m.uid() == identity.uid, m.gid() == identity.gid) {
                    (true, _) => 0o100,
                    (_, true) => 0o010,
                    _ => 0o001,
                };
                mode & bit == 0
            })
        });
        match inaccessible {
            None => Ok(()),
            Some(folder) => Err(Fault::permission(
                format!(
                    "uid {} (which runs the embedded servers) cannot enter {}",
                    identity.uid,
                    folder.display()
                ),
                "set CAULDRON_DATA_DIR to a folder that every user can enter, or start as an unprivileged user",
            )
            .named(Refusal::DataFolderUnreachable)),
        }
    }
}

fn take_lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let fault = |error: &io::Error| Fault::file(format!("cannot lock {}", path.display()), error);
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|e| fault(&e))?;
    if let Err(error) = file.try_lock() {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        return match error {
            fs::TryLockError::WouldBlock => Err(Fault::configuration(
                format!("pid {} already runs the embedded servers of {}", holder.trim(), folder.display()),
                "stop it first, or set another CAULDRON_DATA_DIR",
            )
            .named(Refusal::DataFolderInUse)),
            fs::TryLockError::Error(error) => Err(fault(&error)),
        };
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(|e| fault(&e))?;
    Ok(file)
}

/// Returns the owner of the existing data, else Debian's user `postgres`, else `nobody`.
fn server_user(folder: &Path) -> Result<Identity> {
    let owner = fs::metadata(folder.join("postgres")).ok().filter(|m| m.uid() != 0);
    let (uid, gid) = match owner {
        Some(owner) => (owner.uid(), owner.gid()),
        None => match User::from_name("postgres") {
            Ok(Some(user)) => (user.uid.as_raw(), user.gid.as_raw()),
            _ => (65534, 65534),
        },
    };
    Ok(Identity { uid, gid, groups: vec![gid] })
}

/// Returns a port that the kernel chooses.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_or(0, |address| address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_reused_unless_it_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let data =
            DataFolder { path: folder.path().into(), identity: None, _lock: tempfile::tempfile().unwrap() };
        let first = data.port("p").unwrap();
        assert_eq!(data.port("p").unwrap(), first);
        let _taken = TcpListener::bind(("127.0.0.1", first)).unwrap();
        assert_ne!(data.port("p").unwrap(), first);
    }

    #[test]
    fn a_locked_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _lock = take_lock(folder.path()).unwrap();
        let fault = take_lock(folder.path()).unwrap_err();
        assert!(fault.cause.contains(&std::process::id().to_string()), "{fault}");
    }
}
