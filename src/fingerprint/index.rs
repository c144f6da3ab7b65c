//! An index of an app's files, similar to git's: each file and folder has a stamp, and each file the digest of its
//! content at that stamp.
//!
//! A stamp contains the inode's change time, which no program can set, so a file that was replaced by one with the same
//! size and time is noticed. A file that changed immediately before it was read is *racy*: it may change again within
//! the clock's granularity, and is read again the next time.

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

/// A file that changed within this time before it was read may change again without a new stamp.
const TIMESTAMP_GRANULARITY: Duration = Duration::from_secs(2);
/// The size in the stamp of a racy folder; no real folder has it.
const RACY_SIZE: u64 = u64::MAX;
const FORMAT: u32 = 3;

/// Inode, size, modification time and change time. Without the device: an image's file system has another one at every
/// mount (overlayfs(5)), and every start would read all files.
pub type Stamp = (u64, u64, i64, i64);

#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Index {
    format: u32,
    /// The digest of all files.
    pub whole: String,
    /// Every walked folder, relative to the package; sorted, like the files.
    folders: Vec<(PathBuf, Stamp)>,
    pub files: Vec<(PathBuf, Entry)>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Entry {
    /// None if the file was racy.
    stamp: Option<Stamp>,
    digest: String,
}

impl Index {
    /// Parses an index; None if another version of this program wrote it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes).ok().filter(|index| index.format == FORMAT)
    }

    pub fn has_racy_entries(&self) -> bool {
        self.files.iter().any(|(_, entry)| entry.stamp.is_none())
            || self.folders.iter().any(|(_, stamp)| stamp.1 == RACY_SIZE)
    }

    /// True if no stamp differs. Reading the stamps is the whole cost of most starts, so two threads share it.
    pub fn is_unchanged(&self, package: &Path) -> bool {
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

    pub fn has_other_folders(&self, cached: &Self) -> bool {
        let is_same = |((path, now), (known_path, known)): (&(PathBuf, Stamp), &(PathBuf, Stamp))| {
            let size = if known.1 == RACY_SIZE { RACY_SIZE } else { now.1 };
            path == known_path && *known == (now.0, size, now.2, now.3)
        };
        self.folders.len() != cached.folders.len() || !self.folders.iter().zip(&cached.folders).all(is_same)
    }
}

/// Reads a stamp by a path relative to the package, which is shorter for the kernel to resolve.
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

/// Returns the current index, and the number of files that had to be read although they were not racy.
pub fn refresh(package: &Path, cached: &Index) -> io::Result<(Index, usize)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let racy_since =
        i64::try_from((now.saturating_sub(TIMESTAMP_GRANULARITY)).as_nanos()).unwrap_or(i64::MAX);
    let mut index = Index { format: FORMAT, ..Index::default() };
    let mut paths = BTreeSet::new();
    let known_files: BTreeMap<&PathBuf, &Entry> =
        cached.files.iter().map(|(path, entry)| (path, entry)).collect();
    let unchanged = !cached.folders.is_empty()
        && cached.folders.iter().all(|(path, known)| {
            fs::metadata(package.join(path)).is_ok_and(|metadata| stamp(&metadata) == *known)
        });
    if unchanged {
        index.folders.clone_from(&cached.folders);
        paths.extend(cached.files.iter().map(|(path, _)| path.clone()));
    } else {
        let mut folders = BTreeMap::new();
        walk(package, Path::new(""), racy_since, &mut folders, &mut paths)?;
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
                Entry { stamp: (now.3 < racy_since).then_some(now), digest }
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
    racy_since: i64,
    folders: &mut BTreeMap<PathBuf, Stamp>,
    files: &mut BTreeSet<PathBuf>,
) -> io::Result<()> {
    let here = package.join(below);
    let (inode, size, modified, changed) = stamp(&fs::metadata(&here)?);
    // A racy folder is walked again the next time, because no real stamp equals this one.
    let size = if changed < racy_since { size } else { RACY_SIZE };
    folders.insert(below.to_path_buf(), (inode, size, modified, changed));
    for entry in fs::read_dir(&here)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(text) = name.to_str() else { continue };
        let kind = entry.file_type()?;
        let path = below.join(&name);
        if kind.is_dir() {
            if is_walked(text) {
                walk(package, &path, racy_since, folders, files)?;
            }
        } else if is_read(&path) && (!kind.is_symlink() || here.join(&name).is_file()) {
            files.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sample_package;
    use super::*;

    #[test]
    fn unchanged_files_are_not_read_again() {
        let package = sample_package();
        let (mut index, was_read) = refresh(package.path(), &Index::default()).unwrap();
        assert_eq!(was_read, 2);
        // Simulates a read long after the write.
        for (path, entry) in &mut index.files {
            entry.stamp = Some(stamp(&fs::metadata(package.path().join(path)).unwrap()));
        }
        for (path, known) in &mut index.folders {
            *known = stamp(&fs::metadata(package.path().join(path)).unwrap());
        }
        assert!(index.is_unchanged(package.path()));
        let again = refresh(package.path(), &index).unwrap();
        assert_eq!(again, (index, 0));
    }
}
