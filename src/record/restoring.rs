//! The file `restoring.json` on the volume: a restore has begun and is not finished. While it is there, no role serves
//! the site, and the next restore continues.

use serde::{Deserialize, Serialize};

use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// A restore on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoring {
    /// What is restored, in words: `backup 20261130T014800Z-1a2b3c`.
    pub from: String,
    /// The arguments of `restore` that continue it.
    pub arguments: String,
    pub database: bool,
    pub files: bool,
    /// Everything is restored; what was set aside is being dropped, and nothing can be undone any more.
    #[serde(default)]
    pub complete: bool,
}

impl Restoring {
    /// True if the restore that has this mark does the rest of the work of this one.
    pub fn continues_with(&self, next: &Self) -> bool {
        (&self.from, self.database, self.files) == (&next.from, next.database, next.files)
    }

    /// The refusal of every command that would use the site.
    pub fn fault(&self) -> Fault {
        Fault::try_again(
            format!("the restore from {} was interrupted: the site is incomplete, and nothing is lost", self.from),
            format!(
                "run `cauldron-frappe restore {}` again to finish it, or `cauldron-frappe restore --undo` to go back to \
                 the state before",
                self.arguments
            ),
        )
        .named(Refusal::RestoreInterrupted)
    }
}

/// Refuses to use a site whose restore is not finished.
///
/// # Errors
/// 75 with the command that finishes it.
pub fn refuse_unfinished(restoring: Option<&Restoring>) -> Result<()> {
    restoring.map_or(Ok(()), |restoring| Err(restoring.fault()))
}
