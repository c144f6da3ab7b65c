//! How the code of a pod relates to the database. A pure function; its table is its test.
//!
//! ```text
//!   an installed app is not there            ─▶ Incomplete   never migrates, never serves
//!   the fingerprint on record                ─▶ Equal        serves
//!   a fingerprint of the history             ─▶ RolledBack   serves, never migrates
//!   an app below its recorded version, its
//!   commit an ancestor of the recorded one,
//!   or nothing but DocTypes that are older   ─▶ Older        never migrates
//!   DocTypes would be deleted, or overwritten
//!   by older ones, and nothing proves newer  ─▶ Unknown      never migrates
//!   a version above, a commit that descends
//!   from the recorded one, new patches, newer
//!   DocTypes, or nothing pending at all      ─▶ Newer        migrates
//! ```
//!
//! migrate deletes every DocType that the code does not know, with what hangs on it
//! (docs/frappe-sites.md#orphaned-doctypes), so that is allowed only to code that is proved newer. Logged
//! patches that the code lacks prove nothing by themselves: newer Frappe trims its list. They only take the
//! force from new patches as a proof, since an older branch with a fix of its own looks the same.

use super::ancestry::Descent;
use super::version::Version;
use crate::status::gate::RelationKind;

/// What was seen of the code, the record and the site's own tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Of this pod.
    pub fingerprint: String,
    /// The one that was migrated to last.
    pub recorded: Option<String>,
    /// `fingerprint` was migrated to once.
    pub in_history: bool,
    /// Installed apps that are not in apps.txt, or not there.
    pub missing: Vec<String>,
    pub apps: Vec<AppEvidence>,
    /// DocTypes of the database that the code does not know.
    pub orphans: Vec<String>,
    /// DocTypes whose file is not the one that was imported.
    pub doctypes: Vec<DocTypeChange>,
}

/// One installed app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppEvidence {
    pub name: String,
    pub code: Option<Version>,
    /// As `Installed Application` has it.
    pub installed: Option<Version>,
    /// Patches that were never run, in the order of patches.txt.
    pub pending: Vec<String>,
    /// The log has patches of the app that its code lacks.
    pub lacks_patches: bool,
    /// Of its commit from the recorded one, or the other way round.
    pub descent: Option<Descent>,
}

/// A DocType that migrate would import, by its `modified`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocTypeChange {
    pub name: String,
    pub age: Age,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Not in the database yet.
    New,
    Newer,
    Same,
    Older,
    /// The database has what another app of this very code defines, and the file that counts differs from it: left by a
    /// migrate that was cut short, or by the reload of one app. Nothing newer than this code can be lost.
    OfAnotherApp,
}

/// What the pod's code is to the database, and what may be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relation {
    Equal,
    Newer,
    RolledBack,
    Older(String),
    Unknown(String),
    Incomplete(String),
}

impl Relation {
    /// The reason, where there is more to say than the word.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Older(why) | Self::Unknown(why) | Self::Incomplete(why) => Some(why),
            Self::Equal | Self::Newer | Self::RolledBack => None,
        }
    }

    /// The word for people, each of them told apart.
    pub fn description(&self) -> &'static str {
        match self {
            Self::RolledBack => "rolled back",
            Self::Incomplete(_) => "incomplete",
            other => other.kind().as_str(),
        }
    }

    /// As `/status` and the metric have it.
    pub fn kind(&self) -> RelationKind {
        match self {
            Self::Equal => RelationKind::Equal,
            Self::Newer => RelationKind::Newer,
            Self::RolledBack | Self::Older(_) | Self::Incomplete(_) => RelationKind::Older,
            Self::Unknown(_) => RelationKind::Unknown,
        }
    }
}

impl Evidence {
    /// Whether migrate would change tables: then the site goes into maintenance for it.
    pub fn is_anything_pending(&self) -> bool {
        !self.doctypes.is_empty()
            || !self.orphans.is_empty()
            || self.apps.iter().any(|app| !app.pending.is_empty())
    }

    /// Every patch that migrate would run.
    pub fn pending(&self) -> impl Iterator<Item = &str> {
        self.apps.iter().flat_map(|app| &app.pending).map(String::as_str)
    }
}

/// Judges.
pub fn relation(seen: &Evidence) -> Relation {
    if !seen.missing.is_empty() {
        return Relation::Incomplete(format!(
            "installed, and not in this pod's code or its apps.txt: {}",
            seen.missing.join(", ")
        ));
    }
    if seen.recorded.as_ref() == Some(&seen.fingerprint) {
        return Relation::Equal;
    }
    if seen.in_history {
        return Relation::RolledBack;
    }
    if let Some((app, code, installed)) = seen.apps.iter().find_map(below) {
        return Relation::Older(format!("{app} is {code} here, and {installed} in the database"));
    }
    if let Some(app) = seen.apps.iter().find(|app| app.descent == Some(Descent::Older)) {
        return Relation::Older(format!("{} is at a commit from before the one in the database", app.name));
    }
    if is_proved_newer(seen) {
        return Relation::Newer;
    }
    let older = names(seen.doctypes.iter().filter(|change| change.age == Age::Older).map(|c| &c.name));
    let (newer, orphans) = (seen.doctypes.iter().any(is_newer), names(seen.orphans.iter()));
    match (older, orphans) {
        (None, None) if newer || is_of_this_code(seen) => Relation::Newer,
        (Some(older), None) if !newer => {
            Relation::Older(format!("the database has newer DocTypes than this code: {older}"))
        }
        (_, Some(orphans)) => {
            Relation::Unknown(format!("nothing shows it newer, and migrate would delete DocTypes: {orphans}"))
        }
        (Some(older), _) => Relation::Unknown(format!(
            "nothing shows it newer, and migrate would overwrite newer DocTypes: {older}"
        )),
        _ => Relation::Unknown("DocTypes differ, and nothing shows which are newer".into()),
    }
}

fn below(app: &AppEvidence) -> Option<(&str, &Version, &Version)> {
    let (code, installed) = (app.code.as_ref()?, app.installed.as_ref()?);
    (code < installed).then_some((app.name.as_str(), code, installed))
}

fn is_proved_newer(seen: &Evidence) -> bool {
    seen.apps.iter().any(|app| {
        let above = matches!((&app.code, &app.installed), (Some(code), Some(installed)) if code > installed);
        above || app.descent == Some(Descent::Newer) || (!app.pending.is_empty() && !app.lacks_patches)
    })
}

/// Nothing of the database is of other code: all that is pending is the order among apps of one DocType.
fn is_of_this_code(seen: &Evidence) -> bool {
    let is_ours = |change: &DocTypeChange| change.age == Age::OfAnotherApp;
    seen.orphans.is_empty()
        && seen.apps.iter().all(|app| app.pending.is_empty())
        && seen.doctypes.iter().all(is_ours)
}

fn is_newer(change: &DocTypeChange) -> bool {
    matches!(change.age, Age::New | Age::Newer)
}

/// The first of them, in words.
fn names<'a>(names: impl Iterator<Item = &'a String>) -> Option<String> {
    const SHOWN: usize = 5;
    let names: Vec<&str> = names.map(String::as_str).collect();
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => None,
        1..=SHOWN => Some(shown),
        more => Some(format!("{shown} and {} more", more - SHOWN)),
    }
}

#[cfg(test)]
mod tests;
