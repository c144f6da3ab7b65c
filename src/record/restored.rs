//! The file `restored.json` on the volume: the last restore with `--confirm` that is complete. The same request is done
//! once, however often it is repeated: a Job that GitOps makes again changes nothing.

use serde::{Deserialize, Serialize};

use super::volume::Volume;
use crate::outcome::Result;

const RESTORED: &str = "restored.json";

/// A restore as it was requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The id of a backup, `newest`, or what the archives are called.
    pub from: String,
    /// `database` or `files`; absent for both.
    pub only: Option<String>,
    /// The id of the site that was to be replaced, or `none`.
    pub confirm: String,
}

impl Volume {
    /// True if this is the last restore that was confirmed, and it is complete. A file that cannot be parsed is none.
    ///
    /// # Errors
    /// 77 or 75 if the volume cannot be read.
    pub fn was_restored(&self, request: &Restored) -> Result<bool> {
        let last = self.read(RESTORED)?.and_then(|text| serde_json::from_str::<Restored>(&text).ok());
        Ok(self.restoring()?.is_none() && last.as_ref() == Some(request))
    }

    pub fn write_restored(&self, request: &Restored) -> Result<()> {
        self.write(RESTORED, &serde_json::to_vec_pretty(request).expect("a request is JSON"))
    }
}
