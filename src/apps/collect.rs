//! Removes bundles that are no longer needed.
//!
//! A bundle stays if the [history](super::history) retains it, if its app is linked for the site, if a pod has locked
//! it, or if it is young. A bundle is renamed out of its place first, so that it is never seen incomplete.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::history::{History, RETENTION};
use super::shared_apps;
use super::staging::Staging;

/// Removes old bundles from the folder. A bundle that cannot be removed is logged and stays.
pub fn collect(bundles: &Path, history: &History, now: SystemTime) {
    let mut retained: BTreeSet<PathBuf> = history.retained(now).into_iter().collect();
    // An app that is no longer wanted stays on the site until `apps remove`.
    retained.extend(bundles.parent().map(shared_apps::linked).unwrap_or_default());
    let old: Vec<PathBuf> = all(bundles)
        .into_iter()
        .filter(|bundle| !retained.contains(bundle) && is_old(&bundles.join(bundle), now))
        .collect();
    if old.is_empty() {
        return;
    }
    let staging = match Staging::make(bundles) {
        Ok(staging) => staging,
        Err(fault) => {
            return tracing::warn!(event = "bundle.collection_failed", %fault, "cannot remove old bundles");
        }
    };
    for (index, bundle) in old.iter().enumerate() {
        let name = bundle.display().to_string();
        let path = bundles.join(bundle);
        if is_in_use(&path) {
            continue;
        }
        match fs::rename(&path, staging.trash().with_extension(index.to_string())) {
            Ok(()) => tracing::info!(event = "bundle.removed", bundle = name, "removed an unused bundle"),
            Err(error) => {
                tracing::warn!(event = "bundle.removal_failed", bundle = name, %error, "cannot remove an old bundle");
            }
        }
    }
}

/// The path `<app>/<key>` of each bundle.
fn all(bundles: &Path) -> Vec<PathBuf> {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let apps = names(bundles).into_iter().filter(|app| !app.starts_with('.'));
    apps.flat_map(|app| {
        let keys = names(&bundles.join(&app));
        keys.into_iter().map(move |key| Path::new(&app).join(key)).collect::<Vec<_>>()
    })
    .collect()
}

fn is_old(bundle: &Path, now: SystemTime) -> bool {
    let published = fs::metadata(bundle.join("manifest.json")).and_then(|data| data.modified());
    published.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > RETENTION))
}

/// True if a pod runs on the bundle: it has locked the manifest ([`Bundle::retain`](super::bundle::Bundle::retain)).
fn is_in_use(bundle: &Path) -> bool {
    File::open(bundle.join("manifest.json"))
        .is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_old_and_unused_bundles_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cauldron = folder.path();
        let bundles = cauldron.join("bundles");
        fs::create_dir_all(cauldron.join("apps")).unwrap();
        let now = SystemTime::now();
        let publish = |name: &str, days: u64| {
            let path = bundles.join(name);
            fs::create_dir_all(&path).unwrap();
            let manifest = File::create(path.join("manifest.json")).unwrap();
            manifest.set_modified(now - Duration::from_secs(days * 24 * 3_600)).unwrap();
            manifest
        };
        publish("a/old", 40);
        publish("a/young", 20);
        publish("a/named", 40);
        publish("a/linked", 40);
        fs::create_dir(cauldron.join("live")).unwrap();
        std::os::unix::fs::symlink("../bundles/a/linked/source/a", cauldron.join("live/a")).unwrap();
        let held = publish("a/held", 40);
        held.lock_shared().unwrap();
        let mut history = History::default();
        history.record(cauldron, "d", vec!["a/named".into()], now).unwrap();
        collect(&bundles, &history, now);
        let mut left = all(&bundles);
        left.sort();
        assert_eq!(left, ["a/held", "a/linked", "a/named", "a/young"].map(PathBuf::from));
        drop(held);
        collect(&bundles, &history, now);
        assert_eq!(all(&bundles).len(), 3);
        let staging: Vec<_> =
            fs::read_dir(&bundles).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(staging, ["a"], "no staging folder is left");
    }
}
