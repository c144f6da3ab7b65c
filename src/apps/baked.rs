//! Apps in the image: in the bench's own `apps/`, or as bundles that `apps fetch` put there.
//!
//! A baked app satisfies an entry of the wanted list if its branch matches. The branch is read from `.git` where the
//! image has it; otherwise the major version in the branch's name is compared. A branch without a number (main) counts
//! as satisfied, because official images have no `.git`. A tag is compared with the version, a commit with `.git`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::AppCode;
use super::bundle::{self, Bundle};
use super::package::version_of;
use super::pins::{Commit, Pins};
use super::python::Python;
use crate::bench::Bench;
use crate::config::apps::AppSpec;
use crate::frappe::hooks::required_apps;
use crate::outcome::Result;

/// One app in `apps/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BakedApp {
    pub version: String,
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub required_apps: Vec<String>,
}

/// All apps of the image.
pub struct Image {
    pub apps: BTreeMap<String, BakedApp>,
    folder: PathBuf,
    pins: Vec<Pins>,
}

impl Image {
    /// Reads the bench's folders, without running any program.
    ///
    /// # Errors
    /// 78 if a lock file of `apps fetch` cannot be read.
    pub fn read(bench: &Bench) -> Result<Self> {
        let entries = fs::read_dir(bench.apps()).into_iter().flatten().flatten();
        let apps = entries.filter_map(|entry| {
            let app = entry.file_name().into_string().ok()?;
            let package = entry.path().join(&app);
            package.join("hooks.py").is_file().then(|| (app, BakedApp::read(&entry.path(), &package)))
        });
        let folder = bench.image_cauldron();
        Ok(Self { apps: apps.collect(), pins: recorded(&folder)?, folder })
    }

    /// The version of each app in `apps/`, by name.
    pub fn versions(&self) -> BTreeMap<String, String> {
        self.apps.iter().map(|(app, baked)| (app.clone(), baked.version.clone())).collect()
    }

    /// The code in the image that satisfies an entry, if any.
    pub fn satisfies(&self, wanted: &AppSpec, python: &Python) -> Option<AppCode> {
        if let Some(bundle) = self.bundle(wanted, python) {
            return Some(AppCode::Bundle(bundle));
        }
        let name = wanted.probable_package();
        let baked = self.apps.get(&name)?;
        baked.satisfies(wanted).then_some(AppCode::Baked { app: name })
    }

    fn bundle(&self, wanted: &AppSpec, python: &Python) -> Option<Bundle> {
        let is_its = |pin: &&super::pins::Pin| match &wanted.name {
            Some(name) if wanted.url.is_none() && wanted.path.is_none() => pin.app == *name,
            _ => pin.source == wanted.source(),
        };
        let pins = self.pins.iter().flat_map(|pins| &pins.apps);
        let mut its = pins
            .filter(is_its)
            .filter(|pin| pin.reference == wanted.reference() && pin.subfolder == wanted.subfolder);
        its.find_map(|pin| {
            let Commit::At(commit) = &pin.commit else { return None };
            let folder = self.folder.join("bundles").join(&pin.app);
            bundle::keys(commit, python).iter().find_map(|key| Bundle::open(folder.join(key)).ok())
        })
    }
}

/// The lock files of `apps fetch`, one for each wanted list.
fn recorded(folder: &Path) -> Result<Vec<Pins>> {
    let entries = fs::read_dir(folder.join("apps")).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".lock.json"));
    // Newest first: the base image may have lock files of its own.
    paths.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).and_then(|data| data.modified()).ok()));
    let read = paths.iter().map(|path| Pins::read(path));
    Ok(read.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

impl BakedApp {
    fn read(folder: &Path, package: &Path) -> Self {
        let (branch, commit) = recorded_in_git(&folder.join(".git"));
        Self { version: version_of(package), branch, commit, required_apps: required_apps(package) }
    }

    fn satisfies(&self, wanted: &AppSpec) -> bool {
        if let Some(commit) = &wanted.commit {
            return self.commit.as_ref() == Some(commit);
        }
        if let Some(tag) = &wanted.tag {
            return self.is_version(tag);
        }
        let Some(branch) = &wanted.branch else { return true };
        if is_version(branch) {
            // apps.json of frappe_docker gives tags as branches.
            return self.is_version(branch);
        }
        match (&self.branch, major_of(branch)) {
            (Some(recorded), _) => recorded == branch,
            (None, Some(major)) => self.version.split('.').next() == Some(major),
            (None, None) => true,
        }
    }

    fn is_version(&self, tag: &str) -> bool {
        tag.strip_prefix('v').unwrap_or(tag) == self.version
    }
}

/// True for names such as `v15.2.0` and `15.2.0`.
fn is_version(name: &str) -> bool {
    let name = name.strip_prefix('v').unwrap_or(name);
    name.contains('.')
        && name.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// Returns the major version in a branch name: `version-15` → `15`.
fn major_of(branch: &str) -> Option<&str> {
    branch.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())
}

/// The branch and commit of a repository, read from its files (gitrepository-layout(5)).
pub fn recorded_in_git(git: &Path) -> (Option<String>, Option<String>) {
    let Ok(head) = fs::read_to_string(git.join("HEAD")) else { return (None, None) };
    let head = head.trim();
    let Some(name) = head.strip_prefix("ref: ") else { return (None, Some(head.to_string())) };
    let loose = fs::read_to_string(git.join(name)).ok().map(|text| text.trim().to_string());
    let packed = || {
        let text = fs::read_to_string(git.join("packed-refs")).ok()?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(_, found)| *found == name).map(|(commit, _)| commit.to_string())
    };
    (name.strip_prefix("refs/heads/").map(str::to_string), loose.or_else(packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baked_app_matches_by_recorded_branch_or_by_major_version() {
        let wanted = |text: &str| {
            let (kind, name) = text.split_once(' ').unwrap_or((text, ""));
            let name = Some(name.to_string());
            match kind {
                "branch" => AppSpec { branch: name, ..AppSpec::default() },
                "tag" => AppSpec { tag: name, ..AppSpec::default() },
                "commit" => AppSpec { commit: name, ..AppSpec::default() },
                _ => AppSpec::default(),
            }
        };
        let unrecorded = BakedApp { version: "15.2.0".into(), ..BakedApp::default() };
        let recorded =
            BakedApp { branch: Some("main".into()), commit: Some("abc".into()), ..unrecorded.clone() };
        for (baked, text, expected) in [
            (&unrecorded, "any", true),
            (&unrecorded, "branch version-15", true),
            (&unrecorded, "branch version-15-hotfix", true),
            (&unrecorded, "branch version-16", false),
            (&unrecorded, "branch v15.2.0", true),
            (&unrecorded, "branch v15.3.0", false),
            (&unrecorded, "branch main", true),
            (&unrecorded, "tag v15.2.0", true),
            (&unrecorded, "tag v15.2.1", false),
            (&unrecorded, "commit abc", false),
            (&recorded, "branch main", true),
            (&recorded, "branch version-15", false),
            (&recorded, "commit abc", true),
            (&recorded, "commit abd", false),
        ] {
            assert_eq!(baked.satisfies(&wanted(text)), expected, "{baked:?} {text}");
        }
    }

    #[test]
    fn the_branch_of_a_clone_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let git = folder.path();
        assert_eq!(recorded_in_git(git), (None, None));
        fs::write(git.join("HEAD"), "ref: refs/heads/version-15\n").unwrap();
        fs::write(git.join("packed-refs"), "# pack-refs\nabc refs/heads/version-15\n").unwrap();
        assert_eq!(recorded_in_git(git), (Some("version-15".into()), Some("abc".into())));
        fs::write(git.join("HEAD"), "abd\n").unwrap();
        assert_eq!(recorded_in_git(git), (None, Some("abd".into())));
    }
}
