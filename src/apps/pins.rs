//! The pins: what each wanted app was resolved to, once.
//!
//! `sites/.cauldron/apps/<digest of the wanted list>.lock.json`: keyed by the list, so that an old pod
//! that starts again in a rollout joins what it had. Written under the bootstrap's lock, whole.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bench::atomic_file::write_whole;
use crate::config::apps::AppSpec;
use crate::outcome::{Fault, Result};

/// The lock file of one wanted list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// Every value of CAULDRON_APPS_UPDATE that has moved branches here: each does so once.
    #[serde(default)]
    pub updates: Vec<String>,
    /// One for each entry of the list, in its order.
    pub apps: Vec<Pin>,
}

/// One wanted app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The package that holds hooks.py.
    pub app: String,
    /// Where it comes from, without any login.
    pub source: String,
    /// `branch main`, `tag v1`, `commit …`, or `HEAD`: what was asked for.
    pub reference: String,
    /// The folder of the repository that holds the package's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subfolder: Option<String>,
    pub commit: Commit,
    /// Relative to `sites/`; none for a baked app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<PathBuf>,
    /// Whether the site is to have it installed.
    pub install: bool,
    /// Whether its assets are to be built.
    pub build: bool,
}

/// What an entry was resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The image's own app satisfies the entry: each pod uses its own image's.
    Baked,
    /// 40 hex digits.
    At(String),
}

impl Pin {
    /// An entry's, without a bundle.
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

/// How [`Commit::Baked`] is written.
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
    /// Where the lock file of a list with this digest is, under `.cauldron`.
    pub fn path(cauldron: &Path, digest: &str) -> PathBuf {
        cauldron.join("apps").join(format!("{digest}.lock.json"))
    }

    /// The pins of a list; none where nobody resolved it yet.
    ///
    /// # Errors
    /// 78 where the file is no lock file of ours, 77 where it cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::file(format!("cannot read {}", path.display()), &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Fault::configuration(
                format!("{}: {error}", path.display()),
                "put the file back, or remove it and every branch is resolved anew",
            )
        })
    }

    /// The pin of an entry.
    pub fn pin_of(&self, app: &AppSpec) -> Option<&Pin> {
        let its = |pin: &&Pin| {
            pin.source == app.source() && pin.reference == app.reference() && pin.subfolder == app.subfolder
        };
        self.apps.iter().find(its)
    }

    /// The pin of an entry of the same source, whatever of it was asked for.
    pub fn pin_of_source(&self, app: &AppSpec) -> Option<&Pin> {
        self.apps.iter().find(|pin| pin.source == app.source() && pin.subfolder == app.subfolder)
    }

    /// Branches have moved for this value of CAULDRON_APPS_UPDATE, or there is none.
    pub fn has_moved(&self, update: Option<&String>) -> bool {
        update.is_none_or(|update| self.updates.contains(update))
    }

    /// Writes the file, whole.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let fault = |error: &std::io::Error| Fault::file(format!("cannot write {}", path.display()), error);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).map_err(|error| fault(&error))?;
        let mut text = serde_json::to_vec_pretty(self).expect("pins are JSON");
        text.push(b'\n');
        write_whole(path, &text, 0o644).map_err(|error| fault(&error))
    }
}
