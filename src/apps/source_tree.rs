//! Copies and prepares an app's source for a bundle: without git's folders, readable for every user, synced to disk.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Names that are not part of an app's source, at any depth.
const NO_SOURCE: [&str; 2] = [".git", "__pycache__"];
/// The packages for `bench build`, in the root of an app of the image.
const NODE_MODULES: &str = "node_modules";

/// The entries of a folder that are source, sorted by name.
pub fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.retain(|entry| NO_SOURCE.iter().all(|name| entry.file_name() != *name));
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

/// Like [`entries`], for the root of an app of the image.
pub fn entries_of_app(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = entries(folder)?;
    entries.retain(|entry| entry.file_name() != NODE_MODULES);
    Ok(entries)
}

/// Copies all entries that are source.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    copy(entries(from)?, to)
}

/// Like [`copy_tree`], for an app of the image.
pub fn copy_app(from: &Path, to: &Path) -> io::Result<()> {
    copy(entries_of_app(from)?, to)
}

fn copy(entries: Vec<fs::DirEntry>, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in entries {
        let (path, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(path)?, target)?;
        } else if kind.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            fs::copy(path, target)?;
        }
    }
    Ok(())
}

/// Removes git's own folders, including those of submodules.
pub fn remove_git(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if entry.file_name() == ".git" {
            if kind.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        } else if kind.is_dir() {
            remove_git(&path)?;
        }
    }
    Ok(())
}

/// Makes a tree readable for all users, because pods may run as other users than their leader.
pub fn open_to_all(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode();
    let open = mode | 0o444 | if metadata.is_dir() || mode & 0o100 != 0 { 0o111 } else { 0 };
    if open != mode {
        match fs::set_permissions(path, fs::Permissions::from_mode(open)) {
            // EPERM means that the mount determines the modes.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            open_to_all(&entry?.path())?;
        }
    }
    Ok(())
}

/// Syncs the whole file system at once: syncing thousands of files one by one takes minutes.
pub fn sync(folder: &Path) -> io::Result<()> {
    let folder = File::open(folder)?;
    nix::unistd::syncfs(folder.as_fd()).map_err(io::Error::from)
}
