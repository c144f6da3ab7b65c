//! `sites/.cauldron/live`: links to the code of every app that the site has from a bundle, the last
//! folder of every pod's PYTHONPATH.
//!
//! A pod that was started before an app came imports it from here: a link that is added to a folder on
//! PYTHONPATH is importable at once, without a restart (docs/frappe-contract.md#late-links). A pod's own
//! version of an app stands before it, so a link that moves changes nothing for who has one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::apps::bundle::Bundle;
use crate::bench::Bench;
use crate::bench::atomic_file::sync_folder;
use crate::bench::is_app;
use crate::bench::tree::{sync_link, tolerate_absence};
use crate::outcome::{Fault, Result};

pub fn folder(bench: &Bench) -> PathBuf {
    bench.cauldron().join("live")
}

/// The folder has to be there before a child is started: Python remembers one that was absent. Where it
/// cannot be made, a leader that can will have made it.
pub fn make(bench: &Bench) {
    if let Err(error) = fs::create_dir_all(folder(bench)) {
        tracing::debug!(%error, "no folder for the links to apps that come later");
    }
}

/// Gives every running pod an app, its requirements before it.
///
/// # Errors
/// 77 where the volume may not be written, 75 on a full disk.
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

/// Where every pod finds it; one that `apps fetch` made is its image's own.
pub fn is_on_the_volume(bench: &Bench, bundle: &Bundle) -> bool {
    bundle.root.starts_with(bench.cauldron())
}

/// Relative, so that it holds wherever the volume is mounted.
fn link(bench: &Bench, folder: &Path, target: &Path) -> io::Result<()> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let relative = match target.strip_prefix(bench.cauldron()) {
        Ok(below) => Path::new("..").join(below),
        // What is elsewhere is an image's own; every pod of that image has it there.
        Err(_) => target.to_path_buf(),
    };
    sync_link(&folder.join(name), &relative)
}

/// Takes an app that was uninstalled away; its requirements may be another's, and stay.
pub fn take_away(bench: &Bench, app: &str) -> Result<()> {
    let path = folder(bench).join(app);
    tolerate_absence(fs::remove_file(&path))
        .map_err(|error| Fault::file(format!("cannot remove {}", path.display()), &error))
}

/// Apps that are linked, by name.
pub fn apps(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(folder(bench)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| is_app(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Bundles that links lead into, as `<app>/<key>`: the site, or a pod, runs on them.
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

/// The bundle that an app's link leads into.
pub fn bundle(bench: &Bench, app: &str) -> Option<Bundle> {
    let package = fs::canonicalize(folder(bench).join(app)).ok()?;
    Bundle::open(package.parent()?.parent()?).ok()
}
