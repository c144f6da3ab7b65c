//! The code of a pod, as far as migrate depends on it: the apps, their versions, and a digest of the files that
//! migrate reads.
//!
//! The *fingerprint* is made from patches, DocTypes and other imported JSON, fixtures, hooks and versions. The commit
//! is not part of it, so that a changed README causes no downtime.

pub mod ancestry;
pub mod baked;
pub mod relation;
pub mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::apps::recorded_in_git;
use crate::bench::file_thread::on_file_thread;
use crate::bench::{self, Bench};
use crate::code::version::Version;
use crate::fingerprint::{cache, hex};
use crate::outcome::{Fault, Result};
use crate::overlay::BenchOverlay;
use crate::record::migrations::Released;

/// One app of this pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The folder that contains hooks.py.
    pub package: PathBuf,
    pub version: Option<Version>,
    /// The commit of its bundle or its repository, if there is one.
    pub commit: Option<String>,
    /// The digest of the files that migrate reads.
    pub digest: String,
}

/// The code of this pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The apps that apps.txt lists and that exist.
    pub apps: BTreeMap<String, App>,
}

impl Code {
    /// Reads the apps that this pod lists; files that did not change since the last time are not read again.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn read(overlay: &BenchOverlay) -> Result<Self> {
        let packages =
            overlay.listed().into_iter().filter_map(|name| Some((name.clone(), overlay.package(&name)?)));
        Self::read_packages(overlay.bench(), packages.collect(), true).await
    }

    /// Reads these packages without writing to the volume.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn read_only(bench: &Bench, packages: Vec<(String, PathBuf)>) -> Result<Self> {
        Self::read_packages(bench, packages, false).await
    }

    async fn read_packages(bench: &Bench, packages: Vec<(String, PathBuf)>, writes: bool) -> Result<Self> {
        let indexes = bench.cauldron().join("fingerprints");
        let began = Instant::now();
        let code = on_file_thread(move || read(&indexes, packages, writes)).await;
        let elapsed_ms = began.elapsed().as_secs_f64() * 1_000.0;
        tracing::debug!(
            event = "app.fingerprints_read",
            elapsed_ms,
            "read the fingerprints of this pod's apps"
        );
        code?
    }

    /// The fingerprint for these installed apps.
    pub fn fingerprint(&self, installed: &[String]) -> String {
        let mut hash = Sha256::new();
        for name in installed {
            let digest = self.apps.get(name).map_or("absent", |app| app.digest.as_str());
            hash.update(format!("{name}\0{digest}\n"));
        }
        hex(&hash.finalize())[..FINGERPRINT_LENGTH].to_string()
    }

    /// The versions and commits of the installed apps, for the record.
    pub fn released(&self, installed: &[String]) -> BTreeMap<String, Released> {
        let released = |name: &String| {
            let App { version, commit, .. } = self.apps.get(name)?;
            let version = version.as_ref().map(ToString::to_string);
            Some((name.clone(), Released { version, commit: commit.clone() }))
        };
        installed.iter().filter_map(released).collect()
    }
}

/// The number of hex digits: enough to be unique, and short enough to be read aloud.
const FINGERPRINT_LENGTH: usize = 20;

fn read(indexes: &Path, packages: Vec<(String, PathBuf)>, writes: bool) -> Result<Code> {
    let mut apps = BTreeMap::new();
    for (name, package) in packages {
        let bundle = baked::bundle(&package);
        let digest = match bundle.as_ref().and_then(baked::digest) {
            Some(digest) => digest,
            None => cache::digest(indexes, &package, writes).map_err(|error| {
                Fault::file(format!("cannot read the app {name} in {}", package.display()), &error)
            })?,
        };
        let version = bench::version_of(&package).as_deref().and_then(Version::parse);
        let of_repository = || package.parent().and_then(|folder| recorded_in_git(&folder.join(".git")).1);
        let commit = bundle.map(|bundle| bundle.manifest.commit).or_else(of_repository);
        apps.insert(name, App { package, version, commit, digest });
    }
    Ok(Code { apps })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(digest: &str) -> App {
        App { package: PathBuf::new(), version: None, commit: None, digest: digest.into() }
    }

    #[test]
    fn the_fingerprint_depends_on_installed_apps_only() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
        let mut code = Code { apps: BTreeMap::from([("frappe".into(), app("1")), ("crm".into(), app("2"))]) };
        let both = code.fingerprint(&names(&["frappe", "crm"]));
        let one = code.fingerprint(&names(&["frappe"]));
        assert_ne!(both, one);
        code.apps.insert("crm".into(), app("3"));
        assert_eq!(code.fingerprint(&names(&["frappe"])), one, "crm is not installed");
        assert_ne!(code.fingerprint(&names(&["frappe", "crm"])), both);
        code.apps.remove("crm");
        assert_ne!(code.fingerprint(&names(&["frappe", "crm"])), one, "a missing app is a difference");
    }
}
