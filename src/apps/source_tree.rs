//! Folders of an app's source, as a bundle has them: without git's, for every user, and on the disk.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Nothing of these is an app's source, wherever they are.
const NO_SOURCE: [&str; 2] = [".git", "__pycache__"];
/// In the root of an app of the image: what `bench build` worked with.
const NODE_MODULES: &str = "node_modules";

/// What of a folder is source, by name.
pub fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.retain(|entry| NO_SOURCE.iter().all(|name| entry.file_name() != *name));
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

/// The same of the root of an app of the image.
pub fn entries_of_app(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = entries(folder)?;
    entries.retain(|entry| entry.file_name() != NODE_MODULES);
    Ok(entries)
}

/// Everything that is source.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    copy(entries(from)?, to)
}

/// The same of an app of the image.
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

/// Takes git's own folders away: submodules have one of their own.
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

/// Pods run as other users than their leader.
pub fn open_to_all(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode();
    let open = mode | 0o444 | if metadata.is_dir() || mode & 0o100 != 0 { 0o111 } else { 0 };
    if open != mode {
        match fs::set_permissions(path, fs::Permissions::from_mode(open)) {
            // Where the mount decides on modes, it has decided.
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

/// Everything at once: a sync for each of thousands of files takes minutes.
pub fn sync(folder: &Path) -> io::Result<()> {
    let folder = File::open(folder)?;
    nix::unistd::syncfs(folder.as_fd()).map_err(io::Error::from)
}
