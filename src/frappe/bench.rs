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

    /// Our own files about one site.
    pub fn cauldron_site(&self, site: &str) -> PathBuf {
        self.cauldron().join(site)
    }

    /// Frappe's major version, read from the source; None where it cannot be told.
    pub fn frappe_major(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.root.join("apps/frappe/frappe/__init__.py")).ok()?;
        let line = text.lines().find(|line| line.starts_with("__version__"))?;
        let version = line.split(['"', '\'']).nth(1)?;
        version.split('.').next()?.parse().ok()
    }
}
