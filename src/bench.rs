//! Where things are in a bench, and how its files are read and written.

pub mod atomic_file;
pub mod json_file;
pub mod tree;

use std::path::{Path, PathBuf};

/// In our own folder of a site: names the creation that was started and not finished.
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

    /// An app's own folder, which holds its package.
    pub fn app(&self, app: &str) -> PathBuf {
        self.apps().join(app)
    }

    /// Frappe's lock files of the whole bench.
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

    /// Our own files on the shared volume.
    pub fn cauldron(&self) -> PathBuf {
        self.sites().join(".cauldron")
    }

    /// The same of the image: what `apps fetch` put into it, which no volume hides.
    pub fn image_cauldron(&self) -> PathBuf {
        self.root.join(".cauldron")
    }

    /// What `bench build` made: beside sites/ in an image that keeps it from the volume's reach (the official ones do), else in it.
    pub fn assets(&self) -> PathBuf {
        let beside = self.root.join("assets");
        if beside.is_dir() { beside } else { self.sites().join("assets") }
    }

    /// Our own files about one site.
    pub fn cauldron_site(&self, site: &str) -> PathBuf {
        self.cauldron().join(site)
    }

    /// The folder that holds an app's hooks.py: in `apps/`, or where Python finds it besides
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

    /// An app's version, read from the source; None where it cannot be told.
    pub fn version(&self, app: &str) -> Option<String> {
        version_of(&self.package(app))
    }

    /// Frappe's major version, the same way.
    pub fn frappe_major(&self) -> Option<u32> {
        self.version("frappe")?.trim_start_matches('v').split('.').next()?.parse().ok()
    }
}

/// A package's version, read from the source; None where it cannot be told.
pub fn version_of(package: &Path) -> Option<String> {
    let text = std::fs::read_to_string(package.join("__init__.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split(['"', '\'']).nth(1).map(str::to_string)
}

/// A folder that is an app's package: Frappe looks for hooks.py.
pub fn is_app(package: &Path) -> bool {
    package.join("hooks.py").is_file()
}
