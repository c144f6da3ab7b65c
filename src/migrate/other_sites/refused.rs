//! The sites that this pod does not serve, for its RQ workers: one file per site, in a folder that the workers check
//! before they start a job (frappe/worker_jobs.py). A job of such a site stays in its queue.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the folder of the files, below the pod's runtime folder.
pub fn folder(runtime: &Path) -> PathBuf {
    runtime.join("refused-sites")
}

/// The only writer of the folder.
pub struct RefusedSites(PathBuf);

impl RefusedSites {
    pub fn new(runtime: &Path) -> Self {
        Self(folder(runtime))
    }

    /// Sets whether jobs of the site are refused here.
    pub fn set(&self, site: &str, is_refused: bool) {
        let path = self.0.join(site);
        let done = match is_refused {
            true => fs::create_dir_all(&self.0).and_then(|()| fs::write(&path, [])),
            false => fs::remove_file(&path),
        };
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(
                    event = "other_site.refusal_not_written",
                    %error,
                    site,
                    path = %path.display(),
                    "cannot tell the workers whether a site is refused"
                );
            }
            _ => {}
        }
    }

    /// Removes the files of all other sites.
    pub fn keep(&self, sites: &BTreeSet<&str>) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_none_or(|name| !sites.contains(name)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_refused_until_it_fits_or_goes() {
        let runtime = tempfile::tempdir().unwrap();
        let sites = RefusedSites::new(runtime.path());
        let is_there = |site: &str| folder(runtime.path()).join(site).exists();
        sites.set("one.test", false);
        sites.set("two.test", true);
        sites.set("two.test", true);
        sites.set("three.test", true);
        assert_eq!(["one.test", "two.test", "three.test"].map(is_there), [false, true, true]);
        sites.set("two.test", false);
        sites.keep(&BTreeSet::from(["two.test"]));
        assert_eq!(["two.test", "three.test"].map(is_there), [false, false]);
    }
}
