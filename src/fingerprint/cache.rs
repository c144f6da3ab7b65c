//! An app's digest, without reading what did not change: indexes are kept on the volume. Where no stamp
//! differs the digest of all is the kept one, and nothing is made anew: that is every start but the first of a
//! version.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::hex;
use super::index::{Index, refresh, stamp};
use crate::bench::atomic_file::write_whole;

/// What was too young for a stamp gets one by a start that comes so much later: one that has nothing to
/// do and follows at once writes nothing.
const SETTLES_AFTER: Duration = Duration::from_secs(60);
/// Pods of many images keep theirs on one volume; the oldest are dropped.
const KEPT: usize = 64;

/// The digest of what migrate reads of this package; `folder` is where indexes are kept, by who `keeps` them. One
/// that cannot be written costs time, nothing else.
pub fn digest(folder: &Path, package: &Path, keeps: bool) -> io::Result<String> {
    let path = folder.join(key(package)?);
    let kept = fs::read(&path).ok().and_then(|bytes| Index::parse(&bytes)).unwrap_or_default();
    if kept.is_as_it_was(package) {
        return Ok(kept.whole);
    }
    let (index, was_read) = refresh(package, &kept)?;
    let settles = || kept.is_unsettled() && age(&path).is_some_and(|age| age > SETTLES_AFTER);
    if keeps && (was_read > index.files.len() / 8 || index.has_other_folders(&kept) || settles()) {
        keep(folder, &path, &index);
    }
    Ok(index.whole)
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// Another package at the same path has another folder.
fn key(package: &Path) -> io::Result<String> {
    let (inode, _, _, changed) = stamp(&fs::metadata(package)?);
    let mut hash = Sha256::new();
    hash.update(package.as_os_str().as_encoded_bytes());
    hash.update(format!("\0{inode} {changed}"));
    Ok(hex(&hash.finalize())[..24].to_string())
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
    use std::os::unix::fs::MetadataExt;
    use std::time::SystemTime;

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
}
