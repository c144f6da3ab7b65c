//! An app's digest, without reading what did not change: as git's index does, each file's and each folder's
//! stamp is kept with what was read then.
//!
//! A stamp has the inode's change time, which nobody can set: a file that was put in another's place
//! with the same size and time is seen. What changed within the clock's grain of being read is read
//! again the next time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files::{is_read, is_walked};
use super::hex;
use crate::frappe::atomic_file::write_whole;

/// A file that changed so shortly before it was read may change again without a new stamp.
const GRAIN: Duration = Duration::from_secs(2);
/// What was too young for a stamp gets one by a start that comes so much later: one that has nothing to
/// do and follows at once writes nothing.
const SETTLES_AFTER: Duration = Duration::from_secs(60);
/// The size in the stamp of a folder that changed too shortly before it was walked; no folder has it.
const UNSETTLED: u64 = u64::MAX;
/// Pods of many images keep theirs on one volume; the oldest are dropped.
const KEPT: usize = 64;
const FORMAT: u32 = 1;

/// Device, inode, size, time of modification and of change.
type Stamp = (u64, u64, u64, i64, i64);

#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
struct Index {
    format: u32,
    /// Every folder that was walked, from the package on.
    folders: BTreeMap<PathBuf, Stamp>,
    files: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Entry {
    /// None where it changed too shortly before it was read.
    stamp: Option<Stamp>,
    digest: String,
}

/// The digest of what migrate reads of this package; `folder` is where indexes are kept, by who `keeps` them. One
/// that cannot be written costs time, nothing else.
pub fn digest(folder: &Path, package: &Path, keeps: bool) -> io::Result<String> {
    let path = folder.join(key(package)?);
    let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
    let kept = kept.filter(|index| index.format == FORMAT).unwrap_or_default();
    let (index, was_read) = refresh(package, &kept)?;
    let settles = || kept.is_unsettled() && age(&path).is_some_and(|age| age > SETTLES_AFTER);
    if keeps && (was_read > index.files.len() / 8 || index.has_other_folders(&kept) || settles()) {
        keep(folder, &path, &index);
    }
    let mut hash = Sha256::new();
    for (path, entry) in &index.files {
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update(format!("\0{}\n", entry.digest));
    }
    Ok(hex(&hash.finalize()))
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

impl Index {
    fn is_unsettled(&self) -> bool {
        self.files.values().any(|entry| entry.stamp.is_none())
            || self.folders.values().any(|stamp| stamp.2 == UNSETTLED)
    }

    fn has_other_folders(&self, kept: &Self) -> bool {
        let is_same = |((path, now), (known_path, known)): ((&PathBuf, &Stamp), (&PathBuf, &Stamp))| {
            let size = if known.2 == UNSETTLED { UNSETTLED } else { now.2 };
            path == known_path && *known == (now.0, now.1, size, now.3, now.4)
        };
        self.folders.len() != kept.folders.len() || !self.folders.iter().zip(&kept.folders).all(is_same)
    }
}

/// Another package at the same path has another folder.
fn key(package: &Path) -> io::Result<String> {
    let (device, inode, _, _, changed) = stamp(&fs::metadata(package)?);
    let mut hash = Sha256::new();
    hash.update(package.as_os_str().as_encoded_bytes());
    hash.update(format!("\0{device} {inode} {changed}"));
    Ok(hex(&hash.finalize())[..24].to_string())
}

fn stamp(metadata: &Metadata) -> Stamp {
    let nanoseconds = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
    (
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    )
}

/// The index as it is now, and how many files had to be read for it that had a stamp, or are new.
fn refresh(package: &Path, kept: &Index) -> io::Result<(Index, usize)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let settled = i64::try_from((now.saturating_sub(GRAIN)).as_nanos()).unwrap_or(i64::MAX);
    let mut index = Index { format: FORMAT, ..Index::default() };
    let mut paths = BTreeSet::new();
    let unchanged = !kept.folders.is_empty()
        && kept.folders.iter().all(|(path, known)| {
            fs::metadata(package.join(path)).is_ok_and(|metadata| stamp(&metadata) == *known)
        });
    if unchanged {
        index.folders.clone_from(&kept.folders);
        paths.extend(kept.files.keys().cloned());
    } else {
        walk(package, Path::new(""), settled, &mut index.folders, &mut paths)?;
    }
    let mut was_read = 0;
    for path in paths {
        let whole = package.join(&path);
        let now = stamp(&fs::metadata(&whole)?);
        let entry = match kept.files.get(&path) {
            Some(entry) if entry.stamp == Some(now) => entry.clone(),
            known => {
                was_read += usize::from(known.is_none_or(|entry| entry.stamp.is_some()));
                let digest = hex(&Sha256::digest(fs::read(&whole)?)[..16]);
                Entry { stamp: (now.4 < settled).then_some(now), digest }
            }
        };
        index.files.insert(path, entry);
    }
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
    let (device, inode, size, modified, changed) = stamp(&fs::metadata(&here)?);
    // One that changed just now is walked again the next time: no stamp is like this one.
    let size = if changed < settled { size } else { UNSETTLED };
    folders.insert(below.to_path_buf(), (device, inode, size, modified, changed));
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

fn keep(folder: &Path, path: &Path, index: &Index) {
    let written = fs::create_dir_all(folder)
        .and_then(|()| serde_json::to_vec(index).map_err(io::Error::other))
        .and_then(|bytes| write_whole(path, &bytes, 0o644));
    if let Err(error) = written {
        tracing::debug!(%error, path = %path.display(), "the digests of the apps are not kept");
        return;
    }
    let mut kept: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    kept.sort_unstable();
    let too_many = kept.len().saturating_sub(KEPT);
    for (_, path) in &kept[..too_many] {
        let _ = fs::remove_file(path);
    }
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
    fn a_file_that_came_changed_or_went_is_seen_and_a_readme_is_not() {
        let (package, kept) = (package(), tempfile::tempdir().unwrap());
        let look = || digest(kept.path(), package.path(), true).unwrap();
        let first = look();
        fs::write(package.path().join("README.md"), "new").unwrap();
        assert_eq!(look(), first);
        fs::write(package.path().join("core/doctype/user/user.json"), "[]").unwrap();
        let changed = look();
        assert_ne!(changed, first, "of the same size, within the clock's grain");
        fs::write(package.path().join("patches.txt"), "x.patches.one").unwrap();
        let added = look();
        assert!(added != changed && added != first);
        fs::remove_file(package.path().join("patches.txt")).unwrap();
        assert_eq!(look(), changed);
    }

    #[test]
    fn what_is_too_young_is_kept_as_it_is_until_later() {
        let (package, folder) = (package(), tempfile::tempdir().unwrap());
        digest(folder.path(), package.path(), true).unwrap();
        let path = folder.path().join(key(package.path()).unwrap());
        let written = || fs::metadata(&path).unwrap().ino();
        let first = written();
        digest(folder.path(), package.path(), true).unwrap();
        assert_eq!(written(), first, "nothing changed");
        let long_ago = SystemTime::now() - SETTLES_AFTER * 2;
        fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        digest(folder.path(), package.path(), true).unwrap();
        assert_ne!(written(), first, "later it is");
        fs::write(package.path().join("core/doctype/user/new.json"), "{}").unwrap();
        let second = written();
        digest(folder.path(), package.path(), true).unwrap();
        assert_ne!(written(), second, "a new file is kept at once");
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
        assert_eq!(refresh(package.path(), &index).unwrap(), (index, 0));
    }
}
