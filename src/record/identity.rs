//! Decides whether the site belongs to this installation or is a copy. A pure function, no I/O.
//!
//! ```text
//!                 record, volume and instance agree
//!   evidence ───┬──────────────────────────────────▶ Own
//!               ├─ restore of its own backup ──────▶ Own
//!               ├─ they differ ────────────────────▶ Copy ──CAULDRON_CLONE names its id──▶ Accepted
//!               ├─ marked as a copy ───────────────▶ StillCopy ─────────────┘                 │
//!               └─ marked only for white space ────▶ WronglyMarked                            ▼
//!                  around CAULDRON_INSTANCE            └────────────────────────────────────▶ Own
//! ```
//!
//! A copy sends no mail and runs no jobs: production's customers must not get mail from staging. The mark of a copy
//! is on the volume, because the database may be the original's.

use serde::{Deserialize, Serialize};

use super::database_id::DatabaseId;
use super::state::State;

/// The file `copy.json`, on the volume while the site is a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyMark {
    /// The id that CAULDRON_CLONE has to name to accept the copy.
    pub id: String,
    /// The installation that it is a copy of.
    pub of: String,
    pub why: String,
    /// The switches in site_config.json that we set; those that an operator had set stay.
    pub switched: Vec<String>,
}

/// The file `restore.json`, on the volume from the start of a restore under the exclusive lock (`exec -- bench
/// restore`) until a leader has read the restored database, which was this installation's own when the restore began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreMark {
    pub install_id: String,
    pub database: DatabaseId,
}

impl RestoreMark {
    /// The mark for a restore into `database`; None unless the record there is this volume's own: a backup that is
    /// restored into a copy's database, or into a new one, is a copy.
    pub fn before(recorded: Option<&State>, on_volume: Option<&str>, database: &DatabaseId) -> Option<Self> {
        let install_id = recorded?.install_id.clone();
        (on_volume == Some(install_id.as_str())).then(|| Self { install_id, database: database.clone() })
    }
}

/// The input of [`classify`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// Our record, written in this database.
    pub recorded: Option<&'a State>,
    /// The installation of a record that came with a restored backup or a copied database.
    pub history: Option<&'a str>,
    /// A restore under the exclusive lock, and the database that is inspected.
    pub restore: Option<(&'a RestoreMark, &'a DatabaseId)>,
    pub on_volume: Option<&'a str>,
    /// CAULDRON_INSTANCE.
    pub instance: Option<&'a str>,
    pub mark: Option<&'a CopyMark>,
    /// CAULDRON_CLONE.
    pub accepted: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// This installation's own, with the id on record.
    Own(Option<String>),
    /// A copy that was not known before.
    Copy {
        of: String,
        why: String,
    },
    StillCopy,
    /// A copy that the operator made an independent site.
    Accepted,
    /// This installation's own, with the id on record. A release up to 0.2.0 marked it as a copy, because
    /// CAULDRON_INSTANCE had white space around it.
    WronglyMarked(String),
}

/// Decides whose site this is.
pub fn classify(evidence: &Evidence<'_>) -> Identity {
    let Evidence { recorded, history, restore, on_volume, instance, mark, accepted } = *evidence;
    if let Some(mark) = mark {
        if accepted == Some(mark.id.as_str()) {
            return Identity::Accepted;
        }
        return match recorded.filter(|state| is_wrongly_marked(mark, state, on_volume, instance)) {
            Some(state) => Identity::WronglyMarked(state.install_id.clone()),
            None => Identity::StillCopy,
        };
    }
    let copy = |of: &str, why: String| Identity::Copy { of: of.to_string(), why };
    let Some(state) = recorded else {
        return match history {
            // The site's own backup replaced the database that it was taken from.
            Some(of) if is_own_restore(of, on_volume, restore) => Identity::Own(Some(of.to_string())),
            Some(of) => {
                copy(of, "its record was written in another database: a restored backup, or a copy".into())
            }
            None => Identity::Own(on_volume.map(str::to_string)),
        };
    };
    if let Some(volume) = on_volume.filter(|volume| *volume != state.install_id) {
        return copy(&state.install_id, format!("the volume belongs to installation {volume}"));
    }
    match (state.instance.as_deref(), instance) {
        // A release up to 0.2.0 recorded the white space around the value. The record stays as it is: that release
        // compares it byte by byte.
        (Some(recorded), Some(ours)) if recorded.trim() != ours.trim() => {
            copy(&state.install_id, format!("{RECORDED_FOR}{recorded}{THIS_IS}instance {ours}"))
        }
        _ => Identity::Own(Some(state.install_id.clone())),
    }
}

/// The parts of the reason in a mark that was written because of CAULDRON_INSTANCE; 0.2.0 wrote no `instance` after it.
const RECORDED_FOR: &str = "it is recorded for instance ";
const THIS_IS: &str = ", and this is ";

/// True if nothing but white space around CAULDRON_INSTANCE made this mark, and everything agrees now.
fn is_wrongly_marked(
    mark: &CopyMark,
    state: &State,
    on_volume: Option<&str>,
    instance: Option<&str>,
) -> bool {
    let named = mark.why.strip_prefix(RECORDED_FOR).and_then(|why| why.split_once(THIS_IS));
    let Some((recorded, marked)) = named else { return false };
    let marked = marked.strip_prefix("instance ").unwrap_or(marked);
    let same = |instance: Option<&str>| instance.is_some_and(|instance| instance.trim() == recorded.trim());
    same(Some(marked))
        && same(instance)
        && same(state.instance.as_deref())
        && mark.of == state.install_id
        && on_volume == Some(state.install_id.as_str())
}

fn is_own_restore(of: &str, on_volume: Option<&str>, restore: Option<(&RestoreMark, &DatabaseId)>) -> bool {
    restore.is_some_and(|(mark, database)| {
        on_volume == Some(of) && mark.install_id == of && mark.database == *database
    })
}

#[cfg(test)]
mod tests;
