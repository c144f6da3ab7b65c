//! What the code of a pod would have migrate do: its apps, their versions, and a digest of every file that
//! migrate reads.
//!
//! The *fingerprint* is made of patches, DocTypes and other imported JSON, fixtures, hooks and
//! versions, never of the commit: a README that changed is no downtime.

mod cache;
mod files;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::version::Version;
use crate::frappe::bench::Bench;
use crate::outcome::{Fault, Result};

/// One app as it is on this pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The folder that holds hooks.py.
    pub package: PathBuf,
    pub version: Option<Version>,
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
    /// Looks at the bench's apps; what did not change since the last look is not read again.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn look(bench: &Bench) -> Result<Self> {
        let bench = bench.clone();
        let began = Instant::now();
        let looked = tokio::task::spawn_blocking(move || look(&bench)).await;
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

    /// As the record has them.
    pub fn versions(&self, installed: &[String]) -> BTreeMap<String, String> {
        let version =
            |name: &String| Some((name.clone(), self.apps.get(name)?.version.as_ref()?.to_string()));
        installed.iter().filter_map(version).collect()
    }
}

/// Enough never to meet twice, and short enough to be read aloud.
const FINGERPRINT_LENGTH: usize = 20;

fn look(bench: &Bench) -> Result<Code> {
    let mut apps = BTreeMap::new();
    for name in listed(bench)? {
        let package = bench.package(&name);
        if !package.join("hooks.py").exists() {
            continue;
        }
        let digest = cache::digest(&bench.cauldron().join("fingerprints"), &package).map_err(|error| {
            Fault::file(format!("cannot read the app {name} in {}", package.display()), &error)
        })?;
        let version = bench.version(&name).as_deref().and_then(Version::parse);
        apps.insert(name, App { package, version, digest });
    }
    Ok(Code { apps })
}

/// `sites/apps.txt`, frappe always with it (frappe.get_all_apps).
fn listed(bench: &Bench) -> Result<Vec<String>> {
    let path = bench.sites().join("apps.txt");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Fault::file(format!("cannot read {}", path.display()), &error))?;
    let named = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut names: Vec<String> = std::iter::once("frappe").chain(named).map(str::to_string).collect();
    names.dedup();
    Ok(names)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(digest: &str) -> App {
        App { package: PathBuf::new(), version: None, digest: digest.into() }
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
