//! A bundle: one app at one commit, for one Python ABI and one architecture, immutable.
//!
//! ```text
//!   <app>/<commit>-<abi>-<arch>[-<bench>][-sources | -built]/
//!     manifest.json     written last
//!     source/           the repository, or its subfolder; contains source/<app>/hooks.py
//!     site-packages/    the requirements that the bench lacks; absent if it lacks none
//!     assets/           assets.json, assets-rtl.json and dist/; absent if nothing was built
//! ```
//!
//! A bundle is made in a staging folder and renamed into its place, so it is complete there. If the app requires
//! packages, the name contains a digest of the bench's packages, because the requirements were resolved against those.
//! `-sources` marks a bundle whose assets were not built and can be built later. `-built` marks a bundle whose plain
//! name was taken by a release that ran no build commands: pods may run on that bundle, so it is left unchanged.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::assets::BuildNeeds;
use super::package::{has_build_command, needs};
use super::python::Python;
use crate::bench::atomic_file::write_atomic;
use crate::outcome::{Fault, Result};

const MANIFEST: &str = "manifest.json";
/// Suffixes of bundle names: with built assets, and without.
pub(super) const BUILT: &str = "-built";
const SOURCES: &str = "-sources";

/// A complete bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The bundle's folder.
    pub root: PathBuf,
    pub manifest: Manifest,
}

/// A bundle's description of itself. It contains no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The package that contains hooks.py; the repository may have another name.
    pub app: String,
    /// `__version__` of the package; `0.0.0` if it has none.
    pub version: String,
    /// 40 hex digits.
    pub commit: String,
    /// `cpython-311`.
    pub abi: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// `name==version` of each package in site-packages/.
    pub requirements: Vec<String>,
    /// The digest of the bench's packages, if the app requires any package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bench: Option<String>,
    /// `bench build` has something to build: bundles, or a build command (the field is older than build commands).
    pub has_bundles: bool,
    /// The bundle has assets/.
    pub built_assets: bool,
    /// `required_apps` of hooks.py, as package names.
    pub required_apps: Vec<String>,
    /// The digest of the files that migrate reads (`fingerprint`), so that no pod has to read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Commits published earlier that are ancestors of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<String>,
    /// Commits published earlier that descend from this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub precedes: Vec<String>,
    /// The folder of the repository from which source/ was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subfolder: Option<String>,
}

impl Bundle {
    /// Opens the bundle at `root`.
    ///
    /// # Errors
    /// 75 if it is absent or incomplete: a part was deleted, or it is not published yet.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let broken = |why: String| {
            Fault::try_again(
                format!("the bundle {} is incomplete: {why}", root.display()),
                "delete that folder; the next leader publishes it again",
            )
        };
        let text = fs::read(root.join(MANIFEST)).map_err(|error| broken(format!("{MANIFEST}: {error}")))?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| broken(format!("{MANIFEST}: {error}")))?;
        let hooks = Path::new("source").join(&manifest.app).join("hooks.py");
        let packages = (!manifest.requirements.is_empty()).then_some(Path::new("site-packages"));
        let assets = manifest.built_assets.then_some(Path::new("assets/assets.json"));
        let parts = [Some(hooks.as_path()), packages, assets];
        if let Some(missing) = parts.into_iter().flatten().find(|part| !root.join(part).exists()) {
            return Err(broken(format!("it has no {}", missing.display())));
        }
        Ok(Self { root, manifest })
    }

    /// True if the app has something to build that was not built. The source is checked too: a release before this one
    /// did not know build commands, and recorded such apps as having nothing to build.
    pub fn lacks_build(&self) -> bool {
        !self.manifest.built_assets && (self.manifest.has_bundles || has_build_command(&self.source()))
    }

    /// The kinds of build that the app has.
    pub fn needs(&self) -> BuildNeeds {
        needs(&self.source(), &self.manifest.app)
    }

    /// Protects the bundle from collection while the returned file is open, by a shared lock on its manifest. A pod
    /// that runs on the bundle calls this.
    ///
    /// # Errors
    /// The file system has no locks.
    pub fn retain(&self) -> io::Result<File> {
        let manifest = File::open(self.root.join(MANIFEST))?;
        manifest.lock_shared()?;
        Ok(manifest)
    }

    /// The folder that contains the package, for PYTHONPATH.
    pub fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    /// The folder of the package.
    pub fn package(&self) -> PathBuf {
        self.source().join(&self.manifest.app)
    }

    /// The requirements that the bench lacks, for PYTHONPATH after every source.
    pub fn site_packages(&self) -> Option<PathBuf> {
        (!self.manifest.requirements.is_empty()).then(|| self.root.join("site-packages"))
    }

    /// The folder with assets.json, assets-rtl.json and dist/.
    pub fn assets(&self) -> Option<PathBuf> {
        self.manifest.built_assets.then(|| self.root.join("assets"))
    }
}

impl Manifest {
    /// The name of the bundle's folder in the app's folder.
    pub(super) fn key(&self) -> String {
        let bench = self.bench.as_ref().map_or(String::new(), |bench| format!("-{bench}"));
        let sources = if self.has_bundles && !self.built_assets { SOURCES } else { "" };
        format!("{}-{}-{}{bench}{sources}", self.commit, self.abi, self.arch)
    }

    /// Writes the manifest into an unpublished bundle, as the last file before the rename.
    pub(super) fn write(&self, root: &Path) -> Result<()> {
        let path = root.join(MANIFEST);
        let text = serde_json::to_vec_pretty(self).expect("a manifest is JSON");
        write_atomic(&path, &text, 0o644)
            .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))
    }
}

/// The possible names of a commit's bundle for a bench, in order of preference.
pub(super) fn keys(commit: &str, python: &Python) -> [String; 6] {
    let plain = format!("{commit}-{}-{}", python.abi, python.arch);
    let resolved = format!("{plain}-{}", python.packages);
    let named = |suffix: &str| [format!("{plain}{suffix}"), format!("{resolved}{suffix}")];
    let ([a, b], [c, d], [e, f]) = (named(BUILT), named(""), named(SOURCES));
    [a, b, c, d, e, f]
}
