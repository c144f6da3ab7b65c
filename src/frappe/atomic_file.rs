//! Files that are whole or absent, whenever the machine stops.

use std::fs::{self, File};
use std::io::{self, Write};
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
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => return Err(error.error),
        _ => {}
    }
    sync_folder(folder)
}

/// What was renamed into a folder, or out of it, is so after a power cut, too.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn written(folder: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut temporary = tempfile::Builder::new().prefix(".cauldron-").tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}
