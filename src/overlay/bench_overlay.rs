//! The pod's overlay of the bench: `bench/` in the runtime folder.
//!
//! ```text
//!   sites/                 cwd and SITES_PATH of every child
//!     apps.txt             the apps that can be imported here now
//!     assets/              assets of this image's apps and of the bundles
//!     everything else      links into the volume: site folders, common_site_config.json
//!   python/                first on PYTHONPATH: makes Frappe accept linked folders as sites, and separates the
//!                          caches of this code from those of other code
//!   apps, env, config      links to the bench
//!   logs                   a link to the bench, or a folder if the bench is read-only
//! ```
//!
//! The volume's own apps.txt and assets are not changed, so that pods of two versions do not overwrite each other's. An
//! app in apps.txt that cannot be imported stops workers and causes answers of 500. An app that can be imported and is
//! not in apps.txt loses its scheduled jobs in the next migrate (docs/frappe-contract.md#disagreeing-app-lists).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::assets::Assets;
use super::code_digest;
use super::roots::{self, Roots};
use crate::apps::AppCode;
use crate::apps::shared_apps;
use crate::bench::Bench;
use crate::bench::tree::{Tree, sync_link};
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Result};

const APPS_TXT: &str = "apps.txt";
const ASSETS: &str = "assets";
const PYTHON: &str = "python";
const SITE_CUSTOMIZE: &str = include_str!("../frappe/sitecustomize.py");
const CODE_CACHES: &str = include_str!("../frappe/code_caches.py");
/// The file with the overlay's PYTHONPATH, for `exec` in the same container.
const PYTHON_PATH: &str = "python-path";

/// The paths of an overlay that a child needs.
#[derive(Clone, Debug)]
pub struct OverlayPaths {
    /// The folder that serves as the bench.
    pub root: PathBuf,
    pub python_path: OsString,
}

/// The overlay of a pod. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BenchOverlay(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    bench: Bench,
    code: Vec<AppCode>,
    roots: Roots,
    python_path: OsString,
    /// Shared locks that protect this pod's bundles from collection.
    _retained: Vec<fs::File>,
}

impl BenchOverlay {
    /// Creates the overlay in the runtime folder. An existing one is updated in place, entry by entry, while readers
    /// use it.
    ///
    /// # Errors
    /// The runtime folder cannot be written.
    pub fn open(runtime_dir: &Path, bench: &Bench, code: Vec<AppCode>, installed: &[String]) -> Result<Self> {
        let root = runtime_dir.join("bench");
        let roots = Roots::new(bench, &code, std::env::var_os("PYTHONPATH"));
        let python_path = roots.python_path(&root.join(PYTHON)).map_err(|error| {
            let hint = "mount the volume at a path without `:`";
            Fault::configuration(format!("cannot set PYTHONPATH: {error}"), hint)
        })?;
        let retained = roots::bundles(&code).filter_map(|bundle| {
            let log = |error: &io::Error| {
                tracing::debug!(event = "bundle.not_locked", %error, "bundle not locked: no locks on this file system");
            };
            bundle.retain().inspect_err(log).ok()
        });
        let _retained = retained.collect();
        let overlay =
            Self(Arc::new(Inner { root, bench: bench.clone(), code, roots, python_path, _retained }));
        overlay.lay_out(installed).map_err(|error| overlay.fault(&error))?;
        overlay.refresh(installed)?;
        Ok(overlay)
    }

    /// The paths of the overlay that a role of this container created, if any.
    pub fn existing_paths(runtime_dir: &Path) -> Option<OverlayPaths> {
        let root = runtime_dir.join("bench");
        let python_path = fs::read(root.join(PYTHON_PATH)).ok()?;
        let python_path = OsString::from_vec(python_path);
        root.join("sites").join(APPS_TXT).exists().then_some(OverlayPaths { root, python_path })
    }

    /// The assets folder of the overlay in this runtime folder.
    pub fn assets_folder(runtime_dir: &Path) -> PathBuf {
        runtime_dir.join("bench/sites").join(ASSETS)
    }

    /// The paths for children.
    pub fn paths(&self) -> OverlayPaths {
        OverlayPaths { root: self.0.root.clone(), python_path: self.0.python_path.clone() }
    }

    /// Working directory and SITES_PATH.
    pub fn sites(&self) -> PathBuf {
        self.0.root.join("sites")
    }

    /// The code of the wanted apps, in the order of their dependencies.
    pub fn code(&self) -> &[AppCode] {
        &self.0.code
    }

    pub fn bench(&self) -> &Bench {
        &self.0.bench
    }

    /// The folder in which Python finds an app.
    pub fn package(&self, app: &str) -> Option<PathBuf> {
        self.0.roots.package(app)
    }

    /// Installed apps that cannot be imported here.
    pub fn missing(&self, installed: &[String]) -> Vec<String> {
        installed.iter().filter(|app| self.package(app).is_none()).cloned().collect()
    }

    /// Updates apps.txt and the assets to the apps that can be imported now. Returns these apps.
    ///
    /// # Errors
    /// The runtime folder cannot be written.
    pub fn refresh(&self, installed: &[String]) -> Result<Vec<String>> {
        let listed = self.importable(installed);
        let text: String = listed.iter().map(|app| format!("{app}\n")).collect();
        let assets = Assets::of(self, &listed);
        self.link_volume()
            .and_then(|mut tree| {
                tree.folder(ASSETS, assets.tree()).file(APPS_TXT, text);
                tree.sync(&self.sites())
            })
            .map_err(|error| self.fault(&error))?;
        Ok(listed)
    }

    /// The assets of the listed apps.
    pub fn assets(&self) -> Assets {
        Assets::of(self, &self.listed())
    }

    /// The apps in the overlay's apps.txt.
    pub fn listed(&self) -> Vec<String> {
        let text = fs::read_to_string(self.sites().join(APPS_TXT)).unwrap_or_default();
        text.lines().map(str::to_string).collect()
    }

    /// Links a site folder that was created after the overlay.
    ///
    /// # Errors
    /// The runtime folder cannot be written.
    pub fn link_site(&self, site: &str) -> Result<()> {
        sync_link(&self.sites().join(site), &self.0.bench.site(site)).map_err(|error| self.fault(&error))
    }

    /// The apps that can be imported: frappe first, then those of the volume's list, of the image, of the bundles, of
    /// the shared links and of the site.
    fn importable(&self, installed: &[String]) -> Vec<String> {
        let Inner { bench, code, .. } = &*self.0;
        let volume = fs::read_to_string(bench.sites().join(APPS_TXT)).unwrap_or_default();
        let volume = volume.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let candidates = std::iter::once("frappe".to_string())
            .chain(volume.map(str::to_string))
            .chain(roots::baked(bench))
            .chain(code.iter().map(|code| code.app().to_string()))
            .chain(shared_apps::apps(bench))
            .chain(installed.iter().cloned());
        let mut listed: Vec<String> = Vec::new();
        for app in candidates {
            if !listed.contains(&app) && self.package(&app).is_some() {
                listed.push(app);
            }
        }
        listed
    }

    fn lay_out(&self, installed: &[String]) -> io::Result<()> {
        let Inner { root, bench, python_path, .. } = &*self.0;
        fs::create_dir_all(root)?;
        for (name, target) in
            [("apps", bench.apps()), ("env", bench.environment()), ("config", bench.config())]
        {
            sync_link(&root.join(name), &target)?;
        }
        // Frappe's commands log into `../logs`.
        if nix::unistd::access(&bench.logs(), nix::unistd::AccessFlags::W_OK).is_ok() {
            sync_link(&root.join("logs"), &bench.logs())?;
        } else {
            fs::create_dir_all(root.join("logs"))?;
        }
        let mut tree = Tree::default();
        tree.file(PYTHON_PATH, python_path.as_encoded_bytes());
        let mut python = Tree::default();
        python.file("sitecustomize.py", SITE_CUSTOMIZE);
        python.file("cauldron_code_caches.py", CODE_CACHES);
        let packages = self.importable(installed).into_iter().filter_map(|app| self.package(&app));
        python.file("code-digest", code_digest::of(packages));
        tree.folder(PYTHON, python);
        tree.write(root)
    }

    /// Links to everything on the volume, except for this pod's own apps.txt and assets.
    fn link_volume(&self) -> io::Result<Tree> {
        let sites = self.0.bench.sites();
        let mut tree = Tree::default();
        // Linked even if it does not exist yet.
        tree.link("common_site_config.json", sites.join("common_site_config.json"));
        for entry in fs::read_dir(&sites)? {
            let name = entry?.file_name();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if !hidden && name != APPS_TXT && name != ASSETS {
                tree.link(&name, sites.join(&name));
            }
        }
        Ok(tree)
    }

    fn fault(&self, error: &io::Error) -> Fault {
        let cause = format!("cannot create this pod's overlay in {}", self.0.root.display());
        let fault = Fault::file(cause, error);
        Fault { hint: "set CAULDRON_RUNTIME_DIR to a folder that this user may write".into(), ..fault }
    }
}

impl ChildEnvironment {
    /// Makes a child use the overlay.
    pub fn use_overlay(&mut self, paths: &OverlayPaths) -> &mut Self {
        self.set("PYTHONPATH", &paths.python_path).set("SITES_PATH", paths.root.join("sites"))
    }
}
