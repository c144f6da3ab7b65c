//! Where things are in a bench.

use std::path::PathBuf;

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

    /// Our own files about one site.
    pub fn cauldron_site(&self, site: &str) -> PathBuf {
        self.cauldron().join(site)
    }

    /// The folder that holds an app's hooks.py.
    pub fn package(&self, app: &str) -> PathBuf {
        self.app(app).join(app)
    }

    /// An app's version, read from the source; None where it cannot be told.
    pub fn version(&self, app: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.package(app).join("__init__.py")).ok()?;
        let line = text.lines().find(|line| line.starts_with("__version__"))?;
        line.split(['"', '\'']).nth(1).map(str::to_string)
    }

    /// Frappe's major version, the same way.
    pub fn frappe_major(&self) -> Option<u32> {
        self.version("frappe")?.split('.').next()?.parse().ok()
    }
}
