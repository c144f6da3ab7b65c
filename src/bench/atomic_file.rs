//! Writes files so that they are complete or absent, even after a power failure.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use tempfile::NamedTempFile;

/// Writes a temporary file, syncs it, renames it and syncs the folder. An existing file keeps its owner. If `path` is a
/// link, its target is replaced and the link stays, since other readers may use the target's own path.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = folder_of(path);
    let temporary = write_temporary(folder, bytes, mode)?;
    if let Ok(existing) = fs::metadata(path) {
        let (uid, gid) = (Some(existing.uid()), Some(existing.gid()));
        // Only root can set the user. A member of the group can at least set the group, through which other pods read
        // the file.
        let _ = fchown(temporary.as_file(), uid, gid).or_else(|_| fchown(temporary.as_file(), None, gid));
    }
    temporary.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Writes a file in the same way if it does not exist. An existing file is not changed.
pub fn write_if_absent(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = folder_of(path);
    match write_temporary(folder, bytes, mode)?.persist_noclobber(path) {
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {}
        // SMB has neither hard links nor a rename without replacement: of two writers at once, the last one wins.
        Err(error) if is_unsupported(&error.error) && !path.exists() => {
            error.file.persist(path).map_err(|error| error.error)?;
        }
        Err(error) => return Err(error.error),
        Ok(_) => {}
    }
    sync_folder(folder)
}

/// Makes renames into and out of a folder survive a power failure. SMB cannot sync folders.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    tolerate_unsupported(File::open(folder)?.sync_all())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn write_temporary(folder: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut temporary = tempfile::Builder::new().prefix(".cauldron-").tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    // A mount with fixed modes refuses the change.
    tolerate_unsupported(temporary.as_file().set_permissions(fs::Permissions::from_mode(mode)))?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

/// True for the errors of a file system that lacks the requested feature: modes, links or synced folders.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput | ErrorKind::PermissionDenied)
}

/// Ignores the errors of [`is_unsupported`].
pub fn tolerate_unsupported(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if is_unsupported(&error) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_missing_features_are_tolerated() {
        for errno in [nix::libc::EOPNOTSUPP, nix::libc::EINVAL, nix::libc::EPERM] {
            assert!(tolerate_unsupported(Err(io::Error::from_raw_os_error(errno))).is_ok(), "{errno}");
        }
        for errno in [nix::libc::ENOSPC, nix::libc::EIO, nix::libc::EDQUOT, nix::libc::EROFS] {
            assert!(tolerate_unsupported(Err(io::Error::from_raw_os_error(errno))).is_err(), "{errno}");
        }
    }

    #[test]
    fn an_existing_file_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write_if_absent(&path, b"first", 0o600).unwrap();
        write_if_absent(&path, b"second", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file remains");
    }
}
