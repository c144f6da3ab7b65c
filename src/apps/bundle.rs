//! A bundle: one app at one commit, for one Python ABI and one architecture, immutable.
//!
//! ```text
//!   <app>/<commit>-<abi>-<arch>[-<bench>][-sources | -built]/
//!     manifest.json     written last
//!     source/           the repository, or its subfolder; source/<app>/hooks.py is there
//!     site-packages/    the requirements that the bench lacks; absent where it lacks none
//!     assets/           assets.json, assets-rtl.json and dist/; absent where nothing was built
//! ```
//!
//! It is made in a folder beside and renamed into its place, so one that is there is whole. Where the
//! app requires packages, its name has a digest of what the bench had, since they were resolved against
//! that; `-sources` has one whose assets were not built, so that they can be later. `-built` has one whose plain name was
//! taken by a bundle of a release that ran no build commands: pods may run on that, so it stays as it is.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::assets::Needs;
use super::package::{has_build_command, needs};
use super::python::Python;
use crate::bench::atomic_file::write_whole;
use crate::outcome::{Fault, Result};

const MANIFEST: &str = "manifest.json";
/// Behind the names of bundles that were built, or were not.
pub(super) const BUILT: &str = "-built";
const SOURCES: &str = "-sources";

/// One that is there and whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Its own folder.
    pub root: PathBuf,
    pub manifest: Manifest,
}

/// What a bundle says of itself. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The package that holds hooks.py, whatever the repository is called.
    pub app: String,
    /// `__version__` of the package; `0.0.0` where it has none.
    pub version: String,
    /// 40 hex digits.
    pub commit: String,
    /// `cpython-311`.
    pub abi: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// `name==version` of what is in site-packages/.
    pub requirements: Vec<String>,
    /// What the bench had, where the app requires anything at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bench: Option<String>,
    /// `bench build` makes something of the app: of bundles, or by a build command (the field's name is older than
    /// the latter).
    pub has_bundles: bool,
    /// assets/ is there.
    pub built_assets: bool,
    /// `required_apps` of hooks.py, by their packages' names.
    pub required_apps: Vec<String>,
    /// What migrate reads of it (`fingerprint`), so that no pod looks at its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Commits that were published before and that this one descends from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<String>,
    /// Commits that were published before and that descend from this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub precedes: Vec<String>,
    /// The folder of the repository that source/ is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subfolder: Option<String>,
}

impl Bundle {
    /// Opens the bundle at `root`.
    ///
    /// # Errors
    /// 75 where it is absent or not whole: somebody took a part of it away, or it was not there yet.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let broken = |why: String| {
            Fault::try_again(
                format!("{} is no whole bundle: {why}", root.display()),
                "remove that folder; the next leader publishes it again",
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

    /// Something of it is to be built and was not, as far as it can be told from the bundle itself: a release before
    /// this one took an app whose user interface has a build command of its own for one with nothing to build.
    pub fn lacks_build(&self) -> bool {
        !self.manifest.built_assets && (self.manifest.has_bundles || has_build_command(&self.source()))
    }

    /// What there is to build of it.
    pub fn needs(&self) -> Needs {
        needs(&self.source(), &self.manifest.app)
    }

    /// Keeps it from being collected as long as the file is open: for a pod that runs on it.
    ///
    /// # Errors
    /// Where the file system has no locks.
    pub fn hold(&self) -> io::Result<File> {
        let manifest = File::open(self.root.join(MANIFEST))?;
        manifest.lock_shared()?;
        Ok(manifest)
    }

    /// The folder that holds the package: for PYTHONPATH.
    pub fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    /// The package itself.
    pub fn package(&self) -> PathBuf {
        self.source().join(&self.manifest.app)
    }

    /// The requirements that the bench lacks: for PYTHONPATH, behind every source.
    pub fn site_packages(&self) -> Option<PathBuf> {
        (!self.manifest.requirements.is_empty()).then(|| self.root.join("site-packages"))
    }

    /// assets.json, assets-rtl.json and dist/.
    pub fn assets(&self) -> Option<PathBuf> {
        self.manifest.built_assets.then(|| self.root.join("assets"))
    }
}

impl Manifest {
    /// The name of its folder under the app's.
    pub(super) fn key(&self) -> String {
        let bench = self.bench.as_ref().map_or(String::new(), |bench| format!("-{bench}"));
        let sources = if self.has_bundles && !self.built_assets { SOURCES } else { "" };
        format!("{}-{}-{}{bench}{sources}", self.commit, self.abi, self.arch)
    }

    /// Writes it into a bundle in the making: the last thing before its rename.
    pub(super) fn write(&self, root: &Path) -> Result<()> {
        let path = root.join(MANIFEST);
        let text = serde_json::to_vec_pretty(self).expect("a manifest is JSON");
        write_whole(&path, &text, 0o644)
            .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))
    }
}

/// The names that a commit's bundle for a bench may have, the better ones first.
pub(super) fn keys(commit: &str, python: &Python) -> [String; 6] {
    let plain = format!("{commit}-{}-{}", python.abi, python.arch);
    let resolved = format!("{plain}-{}", python.packages);
    let named = |suffix: &str| [format!("{plain}{suffix}"), format!("{resolved}{suffix}")];
    let ([a, b], [c, d], [e, f]) = (named(BUILT), named(""), named(SOURCES));
    [a, b, c, d, e, f]
}
