//! Files that are whole or absent, whenever the machine stops.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use tempfile::NamedTempFile;

/// Temporary file, fsync, rename, fsync of the folder. A file that is there keeps its owner, and a
/// link goes on pointing to it: others may read it by its other name.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = folder_of(path);
    let temporary = written(folder, bytes, mode)?;
    if let Ok(existing) = fs::metadata(path) {
        let (uid, gid) = (Some(existing.uid()), Some(existing.gid()));
        // Only root may keep the user; the group at least, which other pods read the file by, can be
        // kept by whoever is in it.
        let _ = fchown(temporary.as_file(), uid, gid).or_else(|_| fchown(temporary.as_file(), None, gid));
    }
    temporary.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// The same for a file that must not be there yet; one that is stays as it is.
pub fn write_if_absent(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = folder_of(path);
    match written(folder, bytes, mode)?.persist_noclobber(path) {
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {}
        // SMB has neither hard links nor a rename that spares: two at once, and the last one stays.
        Err(error) if is_unsupported(&error.error) && !path.exists() => {
            error.file.persist(path).map_err(|error| error.error)?;
        }
        Err(error) => return Err(error.error),
        Ok(_) => {}
    }
    sync_folder(folder)
}

/// What was renamed into a folder, or out of it, is so after a power cut, too. SMB syncs no folders.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    tolerate_unsupported(File::open(folder)?.sync_all())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn written(folder: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut temporary = tempfile::Builder::new().prefix(".cauldron-").tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    // Where the mount decides on modes, it has decided.
    tolerate_unsupported(temporary.as_file().set_permissions(fs::Permissions::from_mode(mode)))?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

/// What a file system says that has no such thing as was asked for: modes, links, a synced folder.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput | ErrorKind::PermissionDenied)
}

fn tolerate_unsupported(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if is_unsupported(&error) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_poor_file_system_lacks_is_done_without_and_nothing_else() {
        for errno in [nix::libc::EOPNOTSUPP, nix::libc::EINVAL, nix::libc::EPERM] {
            assert!(tolerate_unsupported(Err(io::Error::from_raw_os_error(errno))).is_ok(), "{errno}");
        }
        for errno in [nix::libc::ENOSPC, nix::libc::EIO, nix::libc::EDQUOT, nix::libc::EROFS] {
            assert!(tolerate_unsupported(Err(io::Error::from_raw_os_error(errno))).is_err(), "{errno}");
        }
    }

    #[test]
    fn what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write_if_absent(&path, b"first", 0o600).unwrap();
        write_if_absent(&path, b"second", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }
}
