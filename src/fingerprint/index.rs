//! What of an app was seen when: as git's index does, each file's and each folder's stamp is kept with what
//! was read then.
//!
//! A stamp has the inode's change time, which nobody can set: a file that was put in another's place
//! with the same size and time is seen. What changed within the clock's grain of being read is read
//! again the next time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files::{is_read, is_walked};
use super::hex;

/// A file that changed so shortly before it was read may change again without a new stamp.
const GRAIN: Duration = Duration::from_secs(2);
/// The size in the stamp of a folder that changed too shortly before it was walked; no folder has it.
const UNSETTLED: u64 = u64::MAX;
const FORMAT: u32 = 3;

/// Inode, size, time of modification and of change. Not the device: an image's file system has another one each
/// time that it is mounted (overlayfs(5)), and every start would read everything.
pub type Stamp = (u64, u64, i64, i64);

#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Index {
    format: u32,
    /// The digest of everything.
    pub whole: String,
    /// Every folder that was walked, from the package on; sorted, as the files are.
    folders: Vec<(PathBuf, Stamp)>,
    pub files: Vec<(PathBuf, Entry)>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Entry {
    /// None where it changed too shortly before it was read.
    stamp: Option<Stamp>,
    digest: String,
}

impl Index {
    /// One that another version of this program wrote is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes).ok().filter(|index| index.format == FORMAT)
    }

    pub fn is_unsettled(&self) -> bool {
        self.files.iter().any(|(_, entry)| entry.stamp.is_none())
            || self.folders.iter().any(|(_, stamp)| stamp.1 == UNSETTLED)
    }

    /// No stamp differs. Asking for them is all that a start pays, so two threads do it.
    pub fn is_as_it_was(&self, package: &Path) -> bool {
        let Ok(root) = File::open(package) else { return false };
        let folders = self.folders.iter().map(|(path, stamp)| (path.as_path(), Some(*stamp)));
        let files = self.files.iter().map(|(path, entry)| (path.as_path(), entry.stamp));
        let all: Vec<(&Path, Option<Stamp>)> = folders.chain(files).collect();
        let is_same = |part: &[(&Path, Option<Stamp>)]| {
            part.iter().all(|(path, known)| known.is_some() && stamp_at(&root, path) == *known)
        };
        let (one, other) = all.split_at(all.len() / 2);
        !all.is_empty()
            && std::thread::scope(|scope| {
                let beside = std::thread::Builder::new().spawn_scoped(scope, || is_same(other));
                is_same(one)
                    && beside.map_or_else(|_| is_same(other), |beside| beside.join().unwrap_or(false))
            })
    }

    fn digest_of_all(&self) -> String {
        let mut hash = Sha256::new();
        for (path, entry) in &self.files {
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(format!("\0{}\n", entry.digest));
        }
        hex(&hash.finalize())
    }

    pub fn has_other_folders(&self, kept: &Self) -> bool {
        let is_same = |((path, now), (known_path, known)): (&(PathBuf, Stamp), &(PathBuf, Stamp))| {
            let size = if known.1 == UNSETTLED { UNSETTLED } else { now.1 };
            path == known_path && *known == (now.0, size, now.2, now.3)
        };
        self.folders.len() != kept.folders.len() || !self.folders.iter().zip(&kept.folders).all(is_same)
    }
}

/// From the package on: the kernel walks a short path.
fn stamp_at(root: &File, path: &Path) -> Option<Stamp> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let found = fstatat(root, path, AtFlags::empty()).ok()?;
    let nanoseconds = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
    Some((
        found.st_ino,
        u64::try_from(found.st_size).ok()?,
        nanoseconds(found.st_mtime, found.st_mtime_nsec),
        nanoseconds(found.st_ctime, found.st_ctime_nsec),
    ))
}

pub fn stamp(metadata: &Metadata) -> Stamp {
    let nanoseconds = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
    (
        metadata.ino(),
        metadata.size(),
        nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    )
}

/// The index as it is now, and how many files had to be read for it that had a stamp, or are new.
pub fn refresh(package: &Path, kept: &Index) -> io::Result<(Index, usize)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let settled = i64::try_from((now.saturating_sub(GRAIN)).as_nanos()).unwrap_or(i64::MAX);
    let mut index = Index { format: FORMAT, ..Index::default() };
    let mut paths = BTreeSet::new();
    let known_files: BTreeMap<&PathBuf, &Entry> =
        kept.files.iter().map(|(path, entry)| (path, entry)).collect();
    let unchanged = !kept.folders.is_empty()
        && kept.folders.iter().all(|(path, known)| {
            fs::metadata(package.join(path)).is_ok_and(|metadata| stamp(&metadata) == *known)
        });
    if unchanged {
        index.folders.clone_from(&kept.folders);
        paths.extend(kept.files.iter().map(|(path, _)| path.clone()));
    } else {
        let mut folders = BTreeMap::new();
        walk(package, Path::new(""), settled, &mut folders, &mut paths)?;
        index.folders = folders.into_iter().collect();
    }
    let mut was_read = 0;
    for path in paths {
        let whole = package.join(&path);
        let now = stamp(&fs::metadata(&whole)?);
        let entry = match known_files.get(&path) {
            Some(entry) if entry.stamp == Some(now) => (*entry).clone(),
            known => {
                was_read += usize::from(known.is_none_or(|entry| entry.stamp.is_some()));
                let digest = hex(&Sha256::digest(fs::read(&whole)?)[..16]);
                Entry { stamp: (now.3 < settled).then_some(now), digest }
            }
        };
        index.files.push((path, entry));
    }
    index.whole = index.digest_of_all();
    Ok((index, was_read))
}

fn walk(
    package: &Path,
    below: &Path,
    settled: i64,
    folders: &mut BTreeMap<PathBuf, Stamp>,
    files: &mut BTreeSet<PathBuf>,
) -> io::Result<()> {
    let here = package.join(below);
    let (inode, size, modified, changed) = stamp(&fs::metadata(&here)?);
    // One that changed just now is walked again the next time: no stamp is like this one.
    let size = if changed < settled { size } else { UNSETTLED };
    folders.insert(below.to_path_buf(), (inode, size, modified, changed));
    for entry in fs::read_dir(&here)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(text) = name.to_str() else { continue };
        let kind = entry.file_type()?;
        let path = below.join(&name);
        if kind.is_dir() {
            if is_walked(text) {
                walk(package, &path, settled, folders, files)?;
            }
        } else if is_read(&path) && (!kind.is_symlink() || here.join(&name).is_file()) {
            files.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("core/doctype/user")).unwrap();
        fs::write(folder.path().join("hooks.py"), "app_name = 'x'").unwrap();
        fs::write(folder.path().join("core/doctype/user/user.json"), "{}").unwrap();
        folder
    }

    #[test]
    fn what_settled_is_not_read_again() {
        let package = package();
        let (mut index, was_read) = refresh(package.path(), &Index::default()).unwrap();
        assert_eq!(was_read, 2);
        // As if it had been read a while after it was written.
        for (path, entry) in &mut index.files {
            entry.stamp = Some(stamp(&fs::metadata(package.path().join(path)).unwrap()));
        }
        for (path, known) in &mut index.folders {
            *known = stamp(&fs::metadata(package.path().join(path)).unwrap());
        }
        assert!(index.is_as_it_was(package.path()));
        let again = refresh(package.path(), &index).unwrap();
        assert_eq!(again, (index, 0));
    }
}
