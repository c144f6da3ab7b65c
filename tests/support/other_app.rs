//! The sample bench's second app, `ledger`, in a folder on PYTHONPATH, from which it can be removed.

use std::fs;
use std::path::{Path, PathBuf};

use super::bench::Bench;

pub struct OtherApp {
    parked: PathBuf,
    importable: PathBuf,
    apps_txt: PathBuf,
}

impl OtherApp {
    /// Copies the app next to the bench's apps; every process of the bench that starts later finds it.
    pub fn add(bench: &mut Bench) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sample-bench/other-apps/ledger");
        let folder = bench.path().join("other-apps");
        fs::create_dir(&folder).expect("a folder for other apps");
        let app = Self {
            parked: bench.path().join("parked-ledger"),
            importable: folder.join("ledger"),
            apps_txt: bench.sites().join("apps.txt"),
        };
        super::bench::copy(&source.join("ledger"), &app.importable);
        bench.add_environment("PYTHONPATH", folder.to_str().expect("a plain path"));
        bench.add_environment("PYTHONDONTWRITEBYTECODE", "1");
        app
    }

    pub fn set_listed(&self, listed: bool) {
        fs::write(&self.apps_txt, if listed { "frappe\nledger\n" } else { "frappe\n" }).expect("apps.txt");
    }

    pub fn remove_list(&self) {
        fs::remove_file(&self.apps_txt).expect("apps.txt");
    }

    pub fn set_importable(&self, importable: bool) {
        let (from, to) =
            if importable { (&self.parked, &self.importable) } else { (&self.importable, &self.parked) };
        if from.exists() {
            fs::rename(from, to).expect("the app is moved");
        }
    }
}
