//! A bench, and the result of `apps fetch` with a wanted list.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::bench::Bench;
use crate::support::binary::{Binary, Ended};

pub struct AppsBench {
    pub bench: Bench,
}

impl AppsBench {
    pub fn new() -> Self {
        Self { bench: Bench::sample() }
    }

    /// `apps fetch` of that list.
    pub fn fetch(&self, wanted: &Value) -> Binary {
        Binary::on(&self.bench, &["apps", "fetch"]).set("CAULDRON_APPS", wanted)
    }

    /// Runs `apps fetch` of that list; it must succeed.
    #[track_caller]
    pub fn fetched(&self, wanted: &Value) -> Ended {
        done(self.fetch(wanted).run())
    }

    pub fn folder(&self) -> PathBuf {
        self.bench.path().join(".cauldron")
    }

    /// The folders of all published bundles.
    pub fn bundles(&self) -> Vec<PathBuf> {
        let list = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            let is_hidden =
                |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            entries.filter(|path| !is_hidden(path)).collect::<Vec<_>>()
        };
        list(&self.folder().join("bundles")).iter().flat_map(|app| list(app)).collect()
    }

    /// The only bundle.
    #[track_caller]
    pub fn bundle(&self) -> PathBuf {
        let bundles = self.bundles();
        assert_eq!(bundles.len(), 1, "{bundles:?}");
        bundles[0].clone()
    }

    #[track_caller]
    pub fn manifest(&self) -> Value {
        manifest(&self.bundle())
    }

    /// The pins of the only lock file.
    #[track_caller]
    pub fn pins(&self) -> Value {
        let entries = fs::read_dir(self.folder().join("apps")).expect("a folder of pins").flatten();
        let paths = entries.map(|entry| entry.path());
        let locks: Vec<PathBuf> =
            paths.filter(|path| path.display().to_string().ends_with(".lock.json")).collect();
        assert_eq!(locks.len(), 1, "{locks:?}");
        read_json(&locks[0])
    }

    /// The number of staging folders next to the bundles.
    pub fn leftovers(&self) -> usize {
        let entries = fs::read_dir(self.folder().join("bundles")).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count()
    }
}

pub fn wanted(url: &str) -> Value {
    json!([{"url": url, "branch": "main"}])
}

pub fn manifest(bundle: &Path) -> Value {
    read_json(&bundle.join("manifest.json"))
}

fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
pub fn done(ended: Ended) -> Ended {
    assert_eq!(ended.exit, 0, "{}", ended.stderr);
    ended
}

/// Asserts that it ended with that exit code, and that standard error contains all these texts.
#[track_caller]
pub fn refused(ended: &Ended, code: i32, says: &[&str]) {
    assert_eq!(ended.exit, code, "{}", ended.stderr);
    for text in says {
        assert!(ended.stderr.contains(text), "`{text}` is not in:\n{}", ended.stderr);
    }
}

/// Every file of a tree with its content; for links, the target.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    found
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).expect("a file of it").display().to_string();
        if path.is_symlink() {
            let target = fs::read_link(&path).expect("a link");
            found.insert(name, target.display().to_string().into_bytes());
        } else if path.is_dir() {
            collect(root, &path, found);
        } else {
            found.insert(name, fs::read(&path).expect("a file"));
        }
    }
}
