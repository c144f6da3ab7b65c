//! A folder made to hold links and files, again and again, while others read it.
//!
//! Nothing is ever absent on the way from one state to the next: what changes is renamed over what was
//! there. Only links are taken away; whatever else somebody put there is left alone.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What a name stands for.
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

    /// Makes `folder` hold this. What is as it should be is not touched.
    pub fn sync(&self, folder: &Path) -> io::Result<()> {
        self.write(folder)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if !self.has(entry.file_name()) && entry.file_type()?.is_symlink() {
                tolerate_absence(fs::remove_file(entry.path()))?;
            }
        }
        Ok(())
    }

    /// The same, and what else is there stays.
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

/// A folder in the place of whatever link or file was there.
fn make_folder(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => tolerate_absence(fs::remove_file(path))?,
        Err(_) => {}
    }
    fs::create_dir_all(path)
}

/// A link in one step, also where another one, or a file, was.
pub fn sync_link(path: &Path, target: &Path) -> io::Result<()> {
    if fs::read_link(path).is_ok_and(|now| now == target) {
        return Ok(());
    }
    let beside = beside(path);
    tolerate_absence(fs::remove_file(&beside))?;
    symlink(target, &beside)?;
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        remove_links(path)?;
    }
    fs::rename(&beside, path)
}

/// Removes a folder of ours: one that holds more than links is somebody's, and stays.
fn remove_links(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            tolerate_absence(fs::remove_file(entry.path()))?;
        }
    }
    fs::remove_dir(folder)
}

fn sync_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    if is_file && fs::read(path).is_ok_and(|now| now == bytes) {
        return Ok(());
    }
    let beside = beside(path);
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

/// Hidden, and this process's own.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

pub fn tolerate_absence(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_follows_and_what_is_no_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("view");
        let mut tree = Tree::default();
        let mut inner = Tree::default();
        inner.link("dist", "/built");
        tree.link("a", "/one").file("list", "x\n").folder("app", inner);
        tree.sync(&root).unwrap();
        fs::create_dir(root.join("made by somebody")).unwrap();
        let mut next = Tree::default();
        next.link("b", "/two").file("list", "y\n").link("app", "/public");
        fs::write(root.join("app/own"), "").unwrap();
        assert!(next.sync(&root).is_err(), "a folder with somebody's file in it stays");
        fs::remove_file(root.join("app/own")).unwrap();
        next.sync(&root).unwrap();
        assert!(fs::symlink_metadata(root.join("a")).is_err());
        assert_eq!(fs::read_link(root.join("b")).unwrap(), Path::new("/two"));
        assert_eq!(fs::read_link(root.join("app")).unwrap(), Path::new("/public"));
        assert_eq!(fs::read_to_string(root.join("list")).unwrap(), "y\n");
        assert!(root.join("made by somebody").is_dir());
        tree.sync(&root).unwrap();
        assert_eq!(fs::read_link(root.join("app/dist")).unwrap(), Path::new("/built"));
        let names: Vec<_> = fs::read_dir(&root).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
    }
}
