//! The pins: the commit to which each wanted app was resolved.
//!
//! The file is `sites/.cauldron/apps/<digest of the wanted list>.lock.json`. It is keyed by the list, so that an old
//! pod that restarts during a rollout uses the same code as before. It is written atomically, under the bootstrap's
//! lock.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bench::atomic_file::write_atomic;
use crate::config::apps::AppSpec;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// The lock file of one wanted list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// The values of CAULDRON_APPS_UPDATE that have moved branches already: each does so once.
    #[serde(default)]
    pub updates: Vec<String>,
    /// One pin for each entry of the list, in its order.
    pub apps: Vec<Pin>,
}

/// One wanted app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The package that contains hooks.py.
    pub app: String,
    /// The address of the repository, without any login.
    pub source: String,
    /// The requested reference: `branch main`, `tag v1`, `commit …`, or `HEAD`.
    pub reference: String,
    /// The folder of the repository that contains the package's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subfolder: Option<String>,
    pub commit: Commit,
    /// The bundle, relative to `sites/`; None for a baked app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<PathBuf>,
    /// True if the app is to be installed on the site.
    pub install: bool,
    /// True if its assets are to be built.
    pub build: bool,
}

/// The result of resolving an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The image's own app satisfies the entry: each pod uses the app of its own image.
    Baked,
    /// 40 hex digits.
    At(String),
}

impl Pin {
    /// The pin of an entry, without a bundle.
    pub(super) fn of(app: &AppSpec, name: &str, commit: Commit) -> Self {
        Self {
            app: name.to_string(),
            source: app.source(),
            reference: app.reference(),
            subfolder: app.subfolder.clone(),
            commit,
            bundle: None,
            install: app.installs(),
            build: app.builds(),
        }
    }
}

/// The text of [`Commit::Baked`] in the file.
const BAKED: &str = "baked";

impl Serialize for Commit {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Baked => BAKED,
            Self::At(commit) => commit,
        })
    }
}

impl<'de> Deserialize<'de> for Commit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(if text == BAKED { Self::Baked } else { Self::At(text) })
    }
}

impl Pins {
    /// The path of the lock file of a list with this digest, in `.cauldron`.
    pub fn path(cauldron: &Path, digest: &str) -> PathBuf {
        cauldron.join("apps").join(format!("{digest}.lock.json"))
    }

    /// Reads the pins of a list; None if the list was not resolved yet.
    ///
    /// # Errors
    /// 78 if the file cannot be parsed, 77 if it may not be read.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::file(format!("cannot read {}", path.display()), &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Fault::configuration(
                format!("{}: {error}", path.display()),
                "restore the file, or delete it: every branch is then resolved again",
            )
            .named(Refusal::AppRecordsUnreadable)
        })
    }

    /// The pin of an entry.
    pub fn pin_of(&self, app: &AppSpec) -> Option<&Pin> {
        let its = |pin: &&Pin| {
            pin.source == app.source() && pin.reference == app.reference() && pin.subfolder == app.subfolder
        };
        self.apps.iter().find(its)
    }

    /// The pin of an entry with the same source, for any reference.
    pub fn pin_of_source(&self, app: &AppSpec) -> Option<&Pin> {
        self.apps.iter().find(|pin| pin.source == app.source() && pin.subfolder == app.subfolder)
    }

    /// True if this value of CAULDRON_APPS_UPDATE has moved the branches already, or if there is no value.
    pub fn has_applied_update(&self, update: Option<&String>) -> bool {
        // Releases up to 0.2.0 recorded the value with the white space around it.
        update.is_none_or(|update| self.updates.iter().any(|applied| applied.trim() == update))
    }

    /// Writes the file atomically.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let fault = |error: &std::io::Error| Fault::file(format!("cannot write {}", path.display()), error);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).map_err(|error| fault(&error))?;
        let mut text = serde_json::to_vec_pretty(self).expect("pins are JSON");
        text.push(b'\n');
        write_atomic(path, &text, 0o644).map_err(|error| fault(&error))
    }
}
