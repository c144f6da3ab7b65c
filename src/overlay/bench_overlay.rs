//! The pod's own view of the bench: `bench/` in the runtime folder.
//!
//! ```text
//!   sites/                 cwd and SITES_PATH of every child
//!     apps.txt             what is importable here, at this moment
//!     assets/              of this image's apps and of the bundles
//!     everything else      links into the volume: site folders, common_site_config.json
//!   python/                first on PYTHONPATH: has Frappe take the linked folders for sites
//!   apps, env, config      links to the bench
//!   logs                   the same, or a folder where the bench is read-only
//! ```
//!
//! The volume's own apps.txt and assets are left as found: pods of two versions do not fight over them.
//! What is in apps.txt and cannot be imported stops workers and answers 500; what can be imported and is
//! not in it loses its scheduled jobs in the next migrate (docs/frappe-contract.md#disagreeing-app-lists).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::assets::Assets;
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
/// What `exec` is to find in the environment, beside the view that a role made.
const PYTHON_PATH: &str = "python-path";

/// What a child is told of a view.
#[derive(Clone, Debug)]
pub struct Joined {
    /// As `bench` wants its folder to be.
    pub root: PathBuf,
    pub python_path: OsString,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct BenchOverlay(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    bench: Bench,
    code: Vec<AppCode>,
    roots: Roots,
    python_path: OsString,
    /// Nobody collects a bundle that a pod runs on.
    _held: Vec<fs::File>,
}

impl BenchOverlay {
    /// Lays it out in the runtime folder; one that is there is brought up to date, under the feet of
    /// whoever reads it.
    ///
    /// # Errors
    /// The runtime folder cannot be written.
    pub fn open(runtime_dir: &Path, bench: &Bench, code: Vec<AppCode>, installed: &[String]) -> Result<Self> {
        let root = runtime_dir.join("bench");
        let roots = Roots::new(bench, &code, std::env::var_os("PYTHONPATH"));
        let python_path = roots.python_path(&root.join(PYTHON)).map_err(|error| {
            Fault::configuration(format!("no PYTHONPATH: {error}"), "mount the volume where no `:` is")
        })?;
        let held = roots::bundles(&code).filter_map(|bundle| {
            bundle.hold().map_err(|error| tracing::debug!(%error, "a bundle is not held: no locks here")).ok()
        });
        let _held = held.collect();
        let overlay = Self(Arc::new(Inner { root, bench: bench.clone(), code, roots, python_path, _held }));
        overlay.lay_out().map_err(|error| overlay.fault(&error))?;
        overlay.follow(installed)?;
        Ok(overlay)
    }

    /// The view that a role of this container made, if one did.
    pub fn of_a_role(runtime_dir: &Path) -> Option<Joined> {
        let root = runtime_dir.join("bench");
        let python_path = fs::read(root.join(PYTHON_PATH)).ok()?;
        let python_path = OsString::from_vec(python_path);
        root.join("sites").join(APPS_TXT).exists().then_some(Joined { root, python_path })
    }

    /// Where the assets of a view in this runtime folder are.
    pub fn assets_folder(runtime_dir: &Path) -> PathBuf {
        runtime_dir.join("bench/sites").join(ASSETS)
    }

    /// For children.
    pub fn joined(&self) -> Joined {
        Joined { root: self.0.root.clone(), python_path: self.0.python_path.clone() }
    }

    /// Working directory and SITES_PATH.
    pub fn sites(&self) -> PathBuf {
        self.0.root.join("sites")
    }

    /// What this pod joined, in the order of dependence.
    pub fn code(&self) -> &[AppCode] {
        &self.0.code
    }

    pub fn bench(&self) -> &Bench {
        &self.0.bench
    }

    /// Where Python would find an app.
    pub fn package(&self, app: &str) -> Option<PathBuf> {
        self.0.roots.package(app)
    }

    /// Installed apps that cannot be imported here.
    pub fn missing(&self, installed: &[String]) -> Vec<String> {
        installed.iter().filter(|app| self.package(app).is_none()).cloned().collect()
    }

    /// Has apps.txt and the assets say what can be imported now.
    ///
    /// # Errors
    /// The runtime folder cannot be written.
    pub fn follow(&self, installed: &[String]) -> Result<Vec<String>> {
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

    /// The assets of what can be imported now.
    pub fn assets(&self) -> Assets {
        Assets::of(self, &self.listed())
    }

    /// What can be imported, as apps.txt has it.
    pub fn listed(&self) -> Vec<String> {
        let text = fs::read_to_string(self.sites().join(APPS_TXT)).unwrap_or_default();
        text.lines().map(str::to_string).collect()
    }

    /// A site folder that was made after the view.
    ///
    /// # Errors
    /// The runtime folder cannot be written.
    pub fn link_site(&self, site: &str) -> Result<()> {
        sync_link(&self.sites().join(site), &self.0.bench.site(site)).map_err(|error| self.fault(&error))
    }

    /// frappe first, then in the order of the volume's list, the image's apps, ours and the site's.
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

    fn lay_out(&self) -> io::Result<()> {
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
        tree.folder(PYTHON, python);
        tree.write(root)
    }

    /// Everything of the volume but what is this pod's own.
    fn link_volume(&self) -> io::Result<Tree> {
        let sites = self.0.bench.sites();
        let mut tree = Tree::default();
        // Also where they are not there yet.
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
        let cause = format!("cannot lay out this pod's view in {}", self.0.root.display());
        let fault = Fault::file(cause, error);
        Fault { hint: "give CAULDRON_RUNTIME_DIR a folder that this user may write".into(), ..fault }
    }
}

impl ChildEnvironment {
    /// Has a child see what this pod joined.
    pub fn joining(&mut self, joined: &Joined) -> &mut Self {
        self.set("PYTHONPATH", &joined.python_path).set("SITES_PATH", joined.root.join("sites"))
    }
}
