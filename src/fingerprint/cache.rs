//! Makes an app's digest without reading unchanged files: indexes are cached on the volume. If no stamp differs, the
//! cached digest is returned; this is so at every start of a version except the first.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::hex;
use super::index::{Index, refresh, stamp};
use crate::bench::atomic_file::write_atomic;

/// The age of an index after which racy entries get their stamp. A start soon after the first one, which has nothing
/// else to change, then writes nothing.
const RACY_REWRITE_AFTER: Duration = Duration::from_secs(60);
/// The number of indexes kept on a volume, where pods of many images write theirs; the oldest are deleted.
const MAX_INDEXES: usize = 64;

/// The digest of the files of this package that migrate reads. `folder` contains the indexes; they are updated if
/// `writes` is set. An index that cannot be written only costs time.
pub fn digest(folder: &Path, package: &Path, writes: bool) -> io::Result<String> {
    let path = folder.join(key(package)?);
    let cached = fs::read(&path).ok().and_then(|bytes| Index::parse(&bytes)).unwrap_or_default();
    if cached.is_unchanged(package) {
        return Ok(cached.whole);
    }
    let (index, was_read) = refresh(package, &cached)?;
    let rewrites_racy =
        || cached.has_racy_entries() && age(&path).is_some_and(|age| age > RACY_REWRITE_AFTER);
    if writes && (was_read > index.files.len() / 8 || index.has_other_folders(&cached) || rewrites_racy()) {
        store(folder, &path, &index);
    }
    Ok(index.whole)
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// The name of the index: another package at the same path has another inode or change time.
fn key(package: &Path) -> io::Result<String> {
    let (inode, _, _, changed) = stamp(&fs::metadata(package)?);
    let mut hash = Sha256::new();
    hash.update(package.as_os_str().as_encoded_bytes());
    hash.update(format!("\0{inode} {changed}"));
    Ok(hex(&hash.finalize())[..24].to_string())
}

fn store(folder: &Path, path: &Path, index: &Index) {
    let written = fs::create_dir_all(folder)
        .and_then(|()| serde_json::to_vec(index).map_err(io::Error::other))
        .and_then(|bytes| write_atomic(path, &bytes, 0o644));
    if let Err(error) = written {
        tracing::debug!(event = "app.fingerprint_not_cached", %error, path = %path.display(), "cannot cache the digests of an app");
        return;
    }
    let mut indexes: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    indexes.sort_unstable();
    let too_many = indexes.len().saturating_sub(MAX_INDEXES);
    for (_, path) in &indexes[..too_many] {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::time::SystemTime;

    use super::super::sample_package;
    use super::*;

    #[test]
    fn an_added_changed_or_removed_file_changes_the_digest_and_a_readme_does_not() {
        let (package, indexes) = (sample_package(), tempfile::tempdir().unwrap());
        let now = || digest(indexes.path(), package.path(), true).unwrap();
        let first = now();
        fs::write(package.path().join("README.md"), "new").unwrap();
        assert_eq!(now(), first);
        fs::write(package.path().join("core/doctype/user/user.json"), "[]").unwrap();
        let changed = now();
        assert_ne!(changed, first, "same size, within the clock's granularity");
        fs::write(package.path().join("patches.txt"), "x.patches.one").unwrap();
        let added = now();
        assert!(added != changed && added != first);
        fs::remove_file(package.path().join("patches.txt")).unwrap();
        assert_eq!(now(), changed);
    }

    #[test]
    fn an_index_with_racy_entries_is_rewritten_only_later() {
        let (package, folder) = (sample_package(), tempfile::tempdir().unwrap());
        digest(folder.path(), package.path(), true).unwrap();
        let path = folder.path().join(key(package.path()).unwrap());
        let written = || fs::metadata(&path).unwrap().ino();
        let first = written();
        digest(folder.path(), package.path(), true).unwrap();
        assert_eq!(written(), first, "nothing changed");
        let long_ago = SystemTime::now() - RACY_REWRITE_AFTER * 2;
        fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        digest(folder.path(), package.path(), true).unwrap();
        assert_ne!(written(), first, "rewritten later");
        fs::write(package.path().join("core/doctype/user/new.json"), "{}").unwrap();
        let second = written();
        digest(folder.path(), package.path(), true).unwrap();
        assert_ne!(written(), second, "a new file is indexed at once");
    }
}
