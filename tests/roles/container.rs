//! The bench as one container has it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::stage::RolesStage;

const COMMON: &str = "common_site_config.json";

/// A container's own parts of the bench: Frappe's scheduler lock is a file in `config`, and common_site_config.json may
/// be mounted.
pub struct Container {
    root: tempfile::TempDir,
}

impl Container {
    pub fn new(stage: &RolesStage) -> Self {
        let root = tempfile::Builder::new().prefix("container-").tempdir().expect("a folder");
        for part in ["apps", "env", "logs"] {
            let target = stage.bench().path().join(part);
            symlink(target, root.path().join(part)).expect("a link into the bench");
        }
        for part in ["config", "sites"] {
            fs::create_dir(root.path().join(part)).expect("a folder");
        }
        for entry in fs::read_dir(stage.bench().sites()).expect("sites").flatten() {
            if entry.file_name() != COMMON {
                symlink(entry.path(), root.path().join("sites").join(entry.file_name())).expect("a link");
            }
        }
        let container = Self { root };
        container.configure(stage, &[]);
        container
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Its common_site_config.json: the bench's, with these keys.
    pub fn configure(&self, stage: &RolesStage, keys: &[(&str, Value)]) {
        let mut config = stage.bench().read_config(COMMON);
        config.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        let new = self.path().join("sites/new.json");
        fs::write(&new, serde_json::to_string_pretty(&config).expect("JSON")).expect("a file");
        fs::rename(&new, self.path().join("sites").join(COMMON)).expect("a file");
    }
}
