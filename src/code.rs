//! What the code of a pod would have migrate do: its apps, their versions, and a digest of every file that
//! migrate reads.
//!
//! The *fingerprint* is made of patches, DocTypes and other imported JSON, fixtures, hooks and
//! versions, never of the commit: a README that changed is no downtime.

pub mod ancestry;
pub mod baked;
pub mod relation;
pub mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::apps::recorded_in_git;
use crate::bench::{self, Bench};
use crate::code::version::Version;
use crate::fingerprint::{cache, hex};
use crate::outcome::{Fault, Result};
use crate::overlay::BenchOverlay;
use crate::record::migrations::Released;

/// One app as it is on this pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The folder that holds hooks.py.
    pub package: PathBuf,
    pub version: Option<Version>,
    /// Where its repository is there, or the image recorded it.
    pub commit: Option<String>,
    /// Of every file that migrate reads.
    pub digest: String,
}

/// The code of this pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// Those that apps.txt lists and that are there.
    pub apps: BTreeMap<String, App>,
}

impl Code {
    /// Looks at the apps that this pod lists; what did not change since the last look is not read again.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn look(overlay: &BenchOverlay) -> Result<Self> {
        let packages =
            overlay.listed().into_iter().filter_map(|name| Some((name.clone(), overlay.package(&name)?)));
        Self::look_at(overlay.bench(), packages.collect(), true).await
    }

    /// The same of these packages, for who may change nothing.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn only_look(bench: &Bench, packages: Vec<(String, PathBuf)>) -> Result<Self> {
        Self::look_at(bench, packages, false).await
    }

    async fn look_at(bench: &Bench, packages: Vec<(String, PathBuf)>, keeps: bool) -> Result<Self> {
        let indexes = bench.cauldron().join("fingerprints");
        let began = Instant::now();
        let looked = tokio::task::spawn_blocking(move || read(&indexes, packages, keeps)).await;
        let elapsed_ms = began.elapsed().as_secs_f64() * 1_000.0;
        tracing::debug!(elapsed_ms, "looked at what migrate would read");
        looked.map_err(|error| {
            Fault::new(crate::outcome::BUG, format!("looking at the apps: {error}"), "report this")
        })?
    }

    /// The digest of what migrate would read for these installed apps.
    pub fn fingerprint(&self, installed: &[String]) -> String {
        let mut hash = Sha256::new();
        for name in installed {
            let digest = self.apps.get(name).map_or("absent", |app| app.digest.as_str());
            hash.update(format!("{name}\0{digest}\n"));
        }
        hex(&hash.finalize())[..FINGERPRINT_LENGTH].to_string()
    }

    /// For the record.
    pub fn released(&self, installed: &[String]) -> BTreeMap<String, Released> {
        let released = |name: &String| {
            let App { version, commit, .. } = self.apps.get(name)?;
            let version = version.as_ref().map(ToString::to_string);
            Some((name.clone(), Released { version, commit: commit.clone() }))
        };
        installed.iter().filter_map(released).collect()
    }
}

/// Enough never to meet twice, and short enough to be read aloud.
const FINGERPRINT_LENGTH: usize = 20;

fn read(indexes: &Path, packages: Vec<(String, PathBuf)>, keeps: bool) -> Result<Code> {
    let mut apps = BTreeMap::new();
    for (name, package) in packages {
        let bundle = baked::bundle(&package);
        let digest = match bundle.as_ref().and_then(baked::digest) {
            Some(digest) => digest,
            None => cache::digest(indexes, &package, keeps).map_err(|error| {
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
    fn what_is_installed_counts_and_nothing_else() {
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
