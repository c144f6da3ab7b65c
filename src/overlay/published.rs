//! `sites/.cauldron/assets/<digest>/`: the hashed files of every live version, which every pod serves.
//!
//! Redis's `assets_json` is one key for all pods, so a page of one version is made with the names of
//! another. A version is published before its first pod serves, marked as used while one does, and
//! taken away a day after the last.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::assets::Assets;
use crate::bench::Bench;
use crate::bench::atomic_file::sync_folder;
use crate::record::volume::random_id;

/// Its time says when a pod served this version last.
const USED: &str = ".used";
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
const MARKED_EVERY: Duration = Duration::from_secs(1800);
/// Folders that are being made or taken away; a version's name is hexadecimal.
const ASIDE: &str = ".aside-";

pub fn folder(bench: &Bench) -> PathBuf {
    bench.cauldron().join("assets")
}

/// What names say they are made of: esbuild's digests are part of them.
pub fn digest(assets: &Assets) -> String {
    let mut hasher = Sha256::new();
    for path in assets.names().values() {
        hasher.update(path);
        hasher.update([0]);
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Has this version's files on the volume, whole.
///
/// # Errors
/// The volume cannot be written.
pub fn publish(bench: &Bench, assets: &Assets) -> io::Result<()> {
    if assets.names().is_empty() {
        return Ok(());
    }
    let version = folder(bench).join(digest(assets));
    if !version.is_dir() {
        let aside = aside(bench);
        let copied = copy(assets, &aside).and_then(|()| fs::rename(&aside, &version));
        if let Err(error) = copied {
            let _ = fs::remove_dir_all(&aside);
            // Another pod may have been first.
            if !version.is_dir() {
                return Err(error);
            }
        }
        sync_folder(&folder(bench))?;
    }
    Ok(())
}

/// A version that is served is used; a leader and every pod's keeper say so now and then.
pub fn mark_used(bench: &Bench, assets: &Assets) -> io::Result<()> {
    if assets.names().is_empty() {
        return Ok(());
    }
    let used = folder(bench).join(digest(assets)).join(USED);
    let modified = fs::metadata(&used).and_then(|metadata| metadata.modified());
    if modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < MARKED_EVERY)) {
        return Ok(());
    }
    // The server's clock where the volume is a network's, as for every other pod.
    fs::write(used, "")
}

fn aside(bench: &Bench) -> PathBuf {
    folder(bench).join(format!("{ASIDE}{}", random_id()))
}

fn copy(assets: &Assets, aside: &Path) -> io::Result<()> {
    for path in assets.names().values() {
        let Some(from) = assets.file(path) else { continue };
        let to = aside.join(path.trim_start_matches("/assets/"));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(from, &to)?;
        File::open(&to)?.sync_all()?;
    }
    Ok(())
}

/// Takes away what no pod has served for a day.
pub fn collect(bench: &Bench) {
    for entry in fs::read_dir(folder(bench)).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_aside = entry.file_name().as_encoded_bytes().starts_with(ASIDE.as_bytes());
        let of = if is_aside { path.clone() } else { path.join(USED) };
        let modified =
            fs::metadata(&of).or_else(|_| fs::metadata(&path)).and_then(|metadata| metadata.modified());
        if !modified.is_ok_and(|modified| is_over(modified, SystemTime::now())) {
            continue;
        }
        // Out of sight at once, so that no half of it is ever served.
        let gone = aside(bench);
        if fs::rename(&path, &gone).and_then(|()| fs::remove_dir_all(&gone)).is_ok() {
            tracing::info!(version = ?entry.file_name(), "took away assets that no pod has served for a day");
        }
    }
}

fn is_over(modified: SystemTime, now: SystemTime) -> bool {
    now.duration_since(modified).is_ok_and(|age| age > KEPT_FOR)
}

/// The folders of every live version, for who serves the union.
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
        assert!(!is_over(now - 23 * hour, now));
        assert!(is_over(now - 25 * hour, now));
        assert!(!is_over(now + hour, now), "a clock that is ahead takes nothing away");
    }
}
