//! The paths of a bench, and helpers that read and write its files.

pub mod atomic_file;
pub mod file_thread;
pub mod json_file;
pub mod site_login;
pub mod tree;

use std::path::{Path, PathBuf};

/// The file, in our own folder of a site, with the id of a creation that was started and has not finished.
pub const ATTEMPT: &str = "attempt";

/// A bench folder: `apps/`, `env/`, `sites/`, `config/`.
#[derive(Clone, Debug)]
pub struct Bench {
    root: PathBuf,
}

impl Bench {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn sites(&self) -> PathBuf {
        self.root.join("sites")
    }

    pub fn site(&self, site: &str) -> PathBuf {
        self.sites().join(site)
    }

    pub fn apps(&self) -> PathBuf {
        self.root.join("apps")
    }

    /// The folder of an app's repository, which contains its package.
    pub fn app(&self, app: &str) -> PathBuf {
        self.apps().join(app)
    }

    /// The folder of Frappe's lock files for the whole bench.
    pub fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The virtual environment.
    pub fn environment(&self) -> PathBuf {
        self.root.join("env")
    }

    pub fn python(&self) -> PathBuf {
        self.root.join("env/bin/python")
    }

    pub fn gunicorn(&self) -> PathBuf {
        self.root.join("env/bin/gunicorn")
    }

    /// The folder of our own files on the shared volume.
    pub fn cauldron(&self) -> PathBuf {
        self.sites().join(".cauldron")
    }

    /// The folder of our own files in the image, written by `apps fetch`. No volume is mounted over it.
    pub fn image_cauldron(&self) -> PathBuf {
        self.root.join(".cauldron")
    }

    /// The output of `bench build`: next to sites/ in an image that keeps it off the volume (as the official images
    /// do), else in sites/.
    pub fn assets(&self) -> PathBuf {
        let in_root = self.root.join("assets");
        if in_root.is_dir() { in_root } else { self.sites().join("assets") }
    }

    /// The folder of our own files about one site.
    pub fn cauldron_site(&self, site: &str) -> PathBuf {
        self.cauldron().join(site)
    }

    /// The folder with an app's hooks.py: in `apps/`, or elsewhere on PYTHONPATH
    /// (docs/frappe-contract.md#app-package).
    pub fn package(&self, app: &str) -> PathBuf {
        let in_apps = self.app(app).join(app);
        if in_apps.join("hooks.py").exists() {
            return in_apps;
        }
        let path = std::env::var_os("PYTHONPATH").unwrap_or_default();
        let elsewhere = std::env::split_paths(&path).map(|folder| folder.join(app));
        elsewhere.into_iter().find(|package| package.join("hooks.py").exists()).unwrap_or(in_apps)
    }

    /// Reads an app's version from its source. None if it is not found.
    pub fn version(&self, app: &str) -> Option<String> {
        version_of(&self.package(app))
    }

    /// Reads Frappe's major version from its source. None if it is not found.
    pub fn frappe_major(&self) -> Option<u32> {
        self.version("frappe")?.trim_start_matches('v').split('.').next()?.parse().ok()
    }
}

/// Reads a package's version from its source. None if it is not found.
pub fn version_of(package: &Path) -> Option<String> {
    let text = std::fs::read_to_string(package.join("__init__.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split(['"', '\'']).nth(1).map(str::to_string)
}

/// True if the folder is an app's package, which Frappe recognizes by hooks.py.
pub fn is_app(package: &Path) -> bool {
    package.join("hooks.py").is_file()
}
