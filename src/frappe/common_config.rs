//! `sites/common_site_config.json`: merges our keys into the file, atomically.
//!
//! Unknown keys and their order are kept. A file that is not a JSON object is never overwritten. If the path is
//! read-only, or the file itself is a mount (a ConfigMap; rename fails with EBUSY), our children get the values in
//! environment variables that Frappe reads; keys without such a variable are an error that names them.

mod overrides;
mod wanted;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use self::overrides::overrides;
pub use self::overrides::{Overrides, overrides_of_site};
use self::wanted::differences;
pub use self::wanted::{Managed, Wanted, managed};
use crate::bench::Bench;
use crate::bench::atomic_file::write_atomic;
use crate::bench::json_file::read_common_object;
use crate::outcome::refusal::Refusal;
use crate::outcome::{self, Fault, Result};

/// The result of [`merge`].
#[derive(Debug, PartialEq, Eq)]
pub enum Merged {
    /// The file had all values; nothing was written.
    Unchanged,
    Written(Vec<String>),
    /// The file cannot be written; these variables replace its values in our children.
    Overridden(Overrides),
}

/// Merges the wanted values into the file.
///
/// # Errors
/// 78 for invalid JSON, and for a read-only file that differs in keys that no override covers; 75 on a
/// full disk; 77 where `sites/` may not be written. After an error the file is unchanged.
pub async fn merge(bench: &Bench, wanted: &Wanted) -> Result<Merged> {
    let path = bench.sites().join("common_site_config.json");
    let read_first = read(&path)?;
    if wanted.change(&read_first, bench).is_none() {
        return Ok(Merged::Unchanged);
    }
    // Two pods that merge different keys at the same time must not undo each other's changes, and two that start
    // on an empty volume must not choose two bench ids.
    let lock = lock(&bench.sites()).await?;
    let current = read(&path)?;
    let Some(change) = wanted.change(&current, bench) else {
        return Ok(Merged::Unchanged);
    };
    let written = write(&path, &change.next);
    drop(lock);
    match written {
        Ok(()) => Ok(Merged::Written(change.keys)),
        Err(error) if is_immovable(&error) => {
            let required = wanted.required(&current);
            let (variables, uncovered) = overrides(&required, bench.frappe_major());
            let mut uncovered: Vec<String> = uncovered.into_iter().map(String::from).collect();
            uncovered.extend(wanted.required_of_given(&current));
            match (uncovered.is_empty(), required.is_empty()) {
                (true, true) => Ok(Merged::Unchanged),
                (true, false) => Ok(Merged::Overridden(variables)),
                (false, _) => Err(cannot_write(&path, &uncovered, &error)),
            }
        }
        Err(error) => Err(Fault::file(format!("cannot write {}", path.display()), &error)),
    }
}

fn is_immovable(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ResourceBusy | Kind::ReadOnlyFilesystem | Kind::PermissionDenied | Kind::CrossesDevices
    )
}

fn read(path: &Path) -> Result<Map<String, Value>> {
    match read_common_object(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(Fault::file(format!("cannot read {}", path.display()), &error)),
        Ok(object) => object.map_err(|problem| {
            Fault::configuration(
                format!("{}: {problem}", path.display()),
                "fix the file by hand, or move it away, then it is written again; it was left as it is",
            )
            .named(Refusal::ConfigNotJson)
        }),
    }
}

/// Locks a file of our own, which others hold for milliseconds. If locks are not possible (a read-only volume, a
/// network file system without locks), the merge continues without one: the write itself is atomic.
async fn lock(sites: &Path) -> Result<Option<File>> {
    let folder = sites.join(".cauldron");
    let path = folder.join("config.lock");
    let opened = fs::create_dir_all(&folder)
        .and_then(|()| File::options().create(true).truncate(false).write(true).open(&path));
    let Ok(file) = opened else { return Ok(None) };
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_RETRY_INTERVAL).await,
            Err(fs::TryLockError::Error(_)) => return Ok(None),
        }
    }
    // To continue without the lock could undo the write of its holder.
    Err(Fault::try_again(
        format!("another process has held {} for {} s", path.display(), LOCK_TRIES / 100),
        "end that process, which releases the lock, then start again",
    ))
}

const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(10);
const LOCK_TRIES: u32 = 1_000;

/// Writes the file, readable by its group: pods run with arbitrary uids and gid 0 or an fsGroup.
fn write(path: &Path, object: &Map<String, Value>) -> io::Result<()> {
    let mode = fs::metadata(path).map_or(0o640, |metadata| metadata.mode() & 0o777 | 0o440);
    let mut text = serde_json::to_vec_pretty(object)?;
    text.push(b'\n');
    write_atomic(path, &text, mode)
}

/// Compares without writing, for a follower: returns the overrides for our children, and logs differing keys that have
/// none. `folder` is the site's, if the site is known.
///
/// # Errors
/// 78 for invalid JSON.
pub fn compare(
    sites: &Path,
    folder: Option<&Path>,
    wanted: &Wanted,
    frappe_major: Option<u32>,
) -> Result<Overrides> {
    let current = read(&sites.join("common_site_config.json"))?;
    let managed = &wanted.managed;
    let different = differences(&current, managed, &Vec::new());
    let (mut variables, uncovered) = overrides(&different, frappe_major);
    let mut uncovered: Vec<String> = uncovered.into_iter().map(String::from).collect();
    uncovered.extend(wanted.required_of_given(&current));
    variables
        .extend(folder.map(|folder| overrides_of_site(folder, managed, frappe_major)).unwrap_or_default());
    if !uncovered.is_empty() {
        tracing::warn!(
            event = "config.common_differs",
            keys = uncovered.join(", "),
            "common_site_config.json differs from this pod's configuration"
        );
    }
    Ok(variables)
}

/// The keys in which the file differs from the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differences {
    pub keys: Vec<String>,
    /// The keys that no environment override covers.
    pub uncovered: Vec<String>,
}

/// Compares the file with the configuration, without logging.
///
/// # Errors
/// 78 for invalid JSON.
pub fn diff(sites: &Path, wanted: &Wanted, frappe_major: Option<u32>) -> Result<Differences> {
    let current = read(&sites.join("common_site_config.json"))?;
    let different = differences(&current, &wanted.managed, &Vec::new());
    let (_, uncovered) = overrides(&different, frappe_major);
    let given = wanted.required_of_given(&current);
    let with_given =
        |keys: Vec<&str>| keys.into_iter().map(String::from).chain(given.iter().cloned()).collect();
    let keys = with_given(different.iter().map(|(key, _)| *key).collect());
    Ok(Differences { keys, uncovered: with_given(uncovered) })
}

fn cannot_write(path: &Path, uncovered: &[String], error: &io::Error) -> Fault {
    let cause =
        format!("{} cannot be written ({error}) and differs in: {}", path.display(), uncovered.join(", "));
    let hint = "add those keys to the source of the file (the ConfigMap), or make the file writable";
    let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
    let code = if is_denied { outcome::PERMISSION } else { outcome::CONFIGURATION };
    Fault::new(code, cause, hint).named(Refusal::ConfigReadOnly)
}
