//! Updates a folder of links and files in place while others read it.
//!
//! No entry is ever absent between one state and the next: a changed entry is renamed over the old one. Only links are
//! removed; files and folders that this program did not write stay.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Link(PathBuf),
    File(Vec<u8>),
    Folder(Tree),
}

/// The entries of one folder by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<OsString, Entry>);

impl Tree {
    pub fn link(&mut self, name: impl AsRef<OsStr>, target: impl Into<PathBuf>) -> &mut Self {
        self.put(name, Entry::Link(target.into()))
    }

    pub fn file(&mut self, name: impl AsRef<OsStr>, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.put(name, Entry::File(bytes.into()))
    }

    pub fn folder(&mut self, name: impl AsRef<OsStr>, tree: Tree) -> &mut Self {
        self.put(name, Entry::Folder(tree))
    }

    fn put(&mut self, name: impl AsRef<OsStr>, entry: Entry) -> &mut Self {
        self.0.insert(name.as_ref().to_os_string(), entry);
        self
    }

    pub fn has(&self, name: impl AsRef<OsStr>) -> bool {
        self.0.contains_key(name.as_ref())
    }

    /// Makes `folder` contain these entries and no other links. Unchanged entries are not touched.
    pub fn sync(&self, folder: &Path) -> io::Result<()> {
        self.write(folder)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if !self.has(entry.file_name()) && entry.file_type()?.is_symlink() {
                ignore_not_found(fs::remove_file(entry.path()))?;
            }
        }
        Ok(())
    }

    /// Writes these entries. All other entries stay.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        make_folder(folder)?;
        for (name, entry) in &self.0 {
            let path = folder.join(name);
            match entry {
                Entry::Link(target) => sync_link(&path, target)?,
                Entry::File(bytes) => sync_file(&path, bytes)?,
                Entry::Folder(tree) => tree.sync(&path)?,
            }
        }
        Ok(())
    }
}

/// Makes a folder. A link or file at its path is replaced.
fn make_folder(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => ignore_not_found(fs::remove_file(path))?,
        Err(_) => {}
    }
    fs::create_dir_all(path)
}

/// Makes a link in one step. Another link or a file at its path is replaced.
pub fn sync_link(path: &Path, target: &Path) -> io::Result<()> {
    if fs::read_link(path).is_ok_and(|now| now == target) {
        return Ok(());
    }
    let temporary = temporary_path(path);
    ignore_not_found(fs::remove_file(&temporary))?;
    symlink(target, &temporary)?;
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        remove_links(path)?;
    }
    fs::rename(&temporary, path)
}

/// Removes a folder of links. A folder with other entries was not made by this program, and stays.
fn remove_links(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            ignore_not_found(fs::remove_file(entry.path()))?;
        }
    }
    fs::remove_dir(folder)
}

fn sync_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    if is_file && fs::read(path).is_ok_and(|now| now == bytes) {
        return Ok(());
    }
    let temporary = temporary_path(path);
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

/// Returns a hidden path in the same folder that only this process uses.
fn temporary_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

pub fn ignore_not_found(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_updated_and_only_links_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("view");
        let mut tree = Tree::default();
        let mut inner = Tree::default();
        inner.link("dist", "/built");
        tree.link("a", "/one").file("list", "x\n").folder("app", inner);
        tree.sync(&root).unwrap();
        fs::create_dir(root.join("foreign folder")).unwrap();
        let mut next = Tree::default();
        next.link("b", "/two").file("list", "y\n").link("app", "/public");
        fs::write(root.join("app/own"), "").unwrap();
        assert!(next.sync(&root).is_err(), "a folder with a foreign file stays");
        fs::remove_file(root.join("app/own")).unwrap();
        next.sync(&root).unwrap();
        assert!(fs::symlink_metadata(root.join("a")).is_err());
        assert_eq!(fs::read_link(root.join("b")).unwrap(), Path::new("/two"));
        assert_eq!(fs::read_link(root.join("app")).unwrap(), Path::new("/public"));
        assert_eq!(fs::read_to_string(root.join("list")).unwrap(), "y\n");
        assert!(root.join("foreign folder").is_dir());
        tree.sync(&root).unwrap();
        assert_eq!(fs::read_link(root.join("app/dist")).unwrap(), Path::new("/built"));
        let names: Vec<_> = fs::read_dir(&root).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
    }
}
