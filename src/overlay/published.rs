//! `sites/.cauldron/assets/<digest>/`: the hashed asset files of every live version, which every pod serves.
//!
//! `assets_json` in Redis is one key for all pods, so a page of one version may contain the names of another. A version
//! is published before its first pod serves, marked as used while a pod serves it, and removed a day after its last
//! use.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::assets::Assets;
use crate::bench::Bench;
use crate::bench::atomic_file::sync_folder;
use crate::record::volume::random_id;
use crate::web_files::encoding::Encoding;

/// A file whose modification time is the last time that a pod served this version.
const USED: &str = ".used";
const RETENTION: Duration = Duration::from_secs(24 * 3600);
const MARK_INTERVAL: Duration = Duration::from_secs(1800);
/// The prefix of folders that are being made or removed. The name of a version is hexadecimal.
const TEMPORARY_PREFIX: &str = ".aside-";

pub fn folder(bench: &Bench) -> PathBuf {
    bench.cauldron().join("assets")
}

/// The digest of a version, made from the names, which contain esbuild's digests of the files.
pub fn digest(assets: &Assets) -> String {
    let mut hasher = Sha256::new();
    for path in assets.names().values() {
        hasher.update(path);
        hasher.update([0]);
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Puts this version's files on the volume, all at once by a rename.
///
/// # Errors
/// The volume cannot be written.
pub fn publish(bench: &Bench, assets: &Assets) -> io::Result<()> {
    if assets.names().is_empty() {
        return Ok(());
    }
    let version = folder(bench).join(digest(assets));
    if !version.is_dir() {
        let temporary = temporary(bench);
        let copied = copy(assets, &temporary).and_then(|()| fs::rename(&temporary, &version));
        if let Err(error) = copied {
            let _ = fs::remove_dir_all(&temporary);
            // Another pod may have published the same version first.
            if !version.is_dir() {
                return Err(error);
            }
        }
        sync_folder(&folder(bench))?;
    }
    Ok(())
}

/// Marks a version as used. The leader does so at its start, and every serving pod from time to time.
pub fn mark_used(bench: &Bench, assets: &Assets) -> io::Result<()> {
    if assets.names().is_empty() {
        return Ok(());
    }
    let used = folder(bench).join(digest(assets)).join(USED);
    let modified = fs::metadata(&used).and_then(|metadata| metadata.modified());
    if modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < MARK_INTERVAL)) {
        return Ok(());
    }
    // On a network volume the server's clock sets the time, which is the same for all pods.
    fs::write(used, "")
}

fn temporary(bench: &Bench) -> PathBuf {
    folder(bench).join(format!("{TEMPORARY_PREFIX}{}", random_id()))
}

fn copy(assets: &Assets, temporary: &Path) -> io::Result<()> {
    for path in assets.names().values() {
        let Some(from) = assets.file(path) else { continue };
        let to = temporary.join(path.trim_start_matches("/assets/"));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        copy_file(&from, &to)?;
        // After the original, because a compressed file that is older than its original is not used.
        for encoding in Encoding::ALL {
            let compressed = encoding.beside(&from);
            if compressed.is_file() {
                copy_file(&compressed, &encoding.beside(&to))?;
            }
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

/// Removes versions that no pod has served for a day, and abandoned temporary folders of that age.
pub fn collect(bench: &Bench) {
    for entry in fs::read_dir(folder(bench)).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_temporary = entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes());
        let of = if is_temporary { path.clone() } else { path.join(USED) };
        let modified =
            fs::metadata(&of).or_else(|_| fs::metadata(&path)).and_then(|metadata| metadata.modified());
        if !modified.is_ok_and(|modified| is_expired(modified, SystemTime::now())) {
            continue;
        }
        // Renamed first, so that it is never served incomplete.
        let removed = temporary(bench);
        if fs::rename(&path, &removed).and_then(|()| fs::remove_dir_all(&removed)).is_ok() {
            tracing::info!(
                event = "overlay.assets_removed",
                version = ?entry.file_name(),
                "removed assets that no pod has served for a day"
            );
        }
    }
}

fn is_expired(modified: SystemTime, now: SystemTime) -> bool {
    now.duration_since(modified).is_ok_and(|age| age > RETENTION)
}

/// The folders of all live versions; each pod serves the files of all of them.
pub fn versions(bench: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(&Bench::new(bench))).into_iter().flatten().flatten();
    entries
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_kept_for_a_day_after_its_last_use() {
        let now = SystemTime::now();
        let hour = Duration::from_secs(3600);
        assert!(!is_expired(now - 23 * hour, now));
        assert!(is_expired(now - 25 * hour, now));
        assert!(!is_expired(now + hour, now), "a clock that is ahead removes nothing");
    }
}
