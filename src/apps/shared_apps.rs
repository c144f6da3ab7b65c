//! `sites/.cauldron/live`: links to the code of every app that the site has from a bundle. It is the last folder on
//! every pod's PYTHONPATH.
//!
//! A pod that started before an app was installed imports it from here: a link that is added to a folder on PYTHONPATH
//! is importable at once, without a restart (docs/frappe-contract.md#late-links). A pod's own version of an app comes
//! first on PYTHONPATH, so a changed link does not affect pods that have one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::apps::bundle::Bundle;
use crate::bench::Bench;
use crate::bench::atomic_file::sync_folder;
use crate::bench::is_app;
use crate::bench::tree::{ignore_not_found, sync_link};
use crate::outcome::{Fault, Result};

pub fn folder(bench: &Bench) -> PathBuf {
    bench.cauldron().join("live")
}

/// Creates the folder, which must exist before a child starts: Python caches that a folder is absent. If this pod
/// cannot create it, a leader that can has done so.
pub fn create_folder(bench: &Bench) {
    if let Err(error) = fs::create_dir_all(folder(bench)) {
        tracing::debug!(event = "overlay.shared_folder_not_created", %error, "cannot create the folder for links to apps that are installed later");
    }
}

/// Links an app for every running pod; its requirements are linked first.
///
/// # Errors
/// 77 if the volume may not be written, 75 on a full disk.
pub fn link_app(bench: &Bench, bundle: &Bundle) -> Result<()> {
    let folder = folder(bench);
    let link = || -> io::Result<()> {
        fs::create_dir_all(&folder)?;
        let packages = bundle.site_packages();
        let requirements = packages.iter().flat_map(|packages| fs::read_dir(packages).into_iter().flatten());
        for entry in requirements.flatten().filter(|entry| entry.file_name() != "bin") {
            link(bench, &folder, &entry.path())?;
        }
        link(bench, &folder, &bundle.package())?;
        sync_folder(&folder)
    };
    link().map_err(|error| Fault::file(format!("cannot link apps in {}", folder.display()), &error))
}

/// True if the bundle is on the volume, for every pod; a bundle of `apps fetch` is in its image only.
pub fn is_on_the_volume(bench: &Bench, bundle: &Bundle) -> bool {
    bundle.root.starts_with(bench.cauldron())
}

/// Makes a relative link, which is valid wherever the volume is mounted.
fn link(bench: &Bench, folder: &Path, target: &Path) -> io::Result<()> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let relative = match target.strip_prefix(bench.cauldron()) {
        Ok(below) => Path::new("..").join(below),
        // A target elsewhere belongs to an image, whose pods all have it at that path.
        Err(_) => target.to_path_buf(),
    };
    sync_link(&folder.join(name), &relative)
}

/// Removes the link to an uninstalled app. Links to its requirements stay, because another app may need them.
pub fn unlink_app(bench: &Bench, app: &str) -> Result<()> {
    let path = folder(bench).join(app);
    ignore_not_found(fs::remove_file(&path))
        .map_err(|error| Fault::file(format!("cannot remove {}", path.display()), &error))
}

/// The names of the linked apps, sorted.
pub fn apps(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(folder(bench)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| is_app(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// The bundles to which links point, as `<app>/<key>`: the site, or a pod, runs on them.
pub fn linked(cauldron: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(cauldron.join("live")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            let below = target.strip_prefix("../bundles").ok()?;
            Some(below.components().take(2).collect())
        })
        .collect()
}

/// The bundle to which an app's link points.
pub fn bundle(bench: &Bench, app: &str) -> Option<Bundle> {
    let package = fs::canonicalize(folder(bench).join(app)).ok()?;
    Bundle::open(package.parent()?.parent()?).ok()
}
