//! Finds the folder from which Python imports an app in this pod, without starting Python.
//!
//! ```text
//!   PYTHONPATH   1 the bundles of this pod       its own versions take precedence over everything
//!                2 their requirements
//!                3 the operator's PYTHONPATH
//!                4 the image's own apps/         before the links: an old image uses its own versions
//!                5 sites/.cauldron/live          links to apps that other pods installed
//!   then         6 env/lib/python3.N/site-packages
//! ```

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::apps::AppCode;
use crate::apps::bundle::Bundle;
use crate::apps::shared_apps;
use crate::bench::{Bench, is_app};

/// The folders that Python searches, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The folders of PYTHONPATH.
    path: Vec<PathBuf>,
    site_packages: Vec<PathBuf>,
}

impl Roots {
    /// Determines the folders; `inherited` is the PYTHONPATH of this process.
    pub fn new(bench: &Bench, code: &[AppCode], inherited: Option<OsString>) -> Self {
        let bundles: Vec<&Bundle> = bundles(code).collect();
        let inherited: Vec<PathBuf> = inherited.iter().flat_map(std::env::split_paths).collect();
        let live = shared_apps::folder(bench);
        let mut path: Vec<PathBuf> = bundles.iter().map(|bundle| bundle.source()).collect();
        path.extend(bundles.iter().filter_map(|bundle| bundle.site_packages()));
        path.extend(inherited.into_iter().filter(|root| *root != live && !root.as_os_str().is_empty()));
        path.extend(baked(bench).into_iter().map(|app| bench.app(&app)));
        path.push(live);
        let libraries = fs::read_dir(bench.environment().join("lib")).into_iter().flatten().flatten();
        let site_packages = libraries.map(|entry| entry.path().join("site-packages")).collect();
        Self { path, site_packages }
    }

    /// PYTHONPATH for children. `own` is the overlay's `python` folder, which contains no app.
    ///
    /// # Errors
    /// A folder with a `:` in its name cannot be on PYTHONPATH.
    pub fn python_path(&self, own: &Path) -> Result<OsString, std::env::JoinPathsError> {
        std::env::join_paths(std::iter::once(own).chain(self.path.iter().map(PathBuf::as_path)))
    }

    /// The folder with hooks.py that Python would import as this app.
    pub fn package(&self, app: &str) -> Option<PathBuf> {
        let roots = self.path.iter().chain(&self.site_packages);
        roots.map(|root| root.join(app)).find(|package| is_app(package))
    }
}

pub fn bundles(code: &[AppCode]) -> impl Iterator<Item = &Bundle> {
    code.iter().filter_map(|code| match code {
        AppCode::Bundle(bundle) => Some(bundle),
        AppCode::Baked { .. } => None,
    })
}

/// The apps of the image: folders of apps/ that contain a package with hooks.py, frappe first.
pub fn baked(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.apps()).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_app(&bench.app(name).join(name)))
        .collect();
    names.sort_by_key(|name| (name != "frappe", name.clone()));
    names
}
