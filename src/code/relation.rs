//! Decides how the code of a pod relates to the database. A pure function; its test covers this table.
//!
//! ```text
//!   an installed app is missing              ─▶ Incomplete   never migrates, never serves
//!   the fingerprint is the recorded one      ─▶ Equal        serves
//!   the fingerprint is in the history        ─▶ RolledBack   serves, never migrates
//!   an app is below its recorded version, its
//!   commit is an ancestor of the recorded one,
//!   or all changed DocTypes are older        ─▶ Older        never migrates
//!   DocTypes would be deleted, or overwritten
//!   by older ones, without proof of newer    ─▶ Unknown      never migrates
//!   a higher version, a commit that descends
//!   from the recorded one, new patches, newer
//!   DocTypes, nothing pending at all, tables
//!   of Frappe 14, or a migration to this same
//!   code that was interrupted                ─▶ Newer        migrates
//! ```
//!
//! migrate deletes every DocType that the code does not know, with everything that depends on it
//! (docs/frappe-sites.md#orphaned-doctypes), so only code that is proved newer may do that. Logged patches that the
//! code lacks prove nothing by themselves, because newer Frappe trims its list. But with such patches, new patches are
//! no proof of newer code either: an older branch with a fix of its own has the same signs.
//!
//! An interrupted migration may have applied what proved the code newer, and not yet what migrate does last (deleting
//! DocTypes, recording versions). So the proof of its beginning holds until it is finished.

use super::ancestry::Descent;
use super::version::Version;
use crate::status::gate::RelationKind;

/// The facts about the code, the record and the site's own tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The fingerprint of this pod's code.
    pub fingerprint: String,
    /// The fingerprint of the last migration.
    pub recorded: Option<String>,
    /// `fingerprint` was the target of an earlier migration.
    pub in_history: bool,
    /// A migration to this code began, was interrupted, and changed the database.
    pub was_begun: bool,
    /// The tables are of Frappe 14 or older, which no supported code is.
    pub is_of_frappe_14: bool,
    /// Installed apps that are not in apps.txt, or do not exist here.
    pub missing: Vec<String>,
    pub apps: Vec<AppEvidence>,
    /// DocTypes of the database that the code does not know.
    pub orphans: Vec<String>,
    /// DocTypes whose file differs from the imported one.
    pub doctypes: Vec<DocTypeChange>,
}

/// One installed app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppEvidence {
    pub name: String,
    pub code: Option<Version>,
    /// The version in `Installed Application`.
    pub installed: Option<Version>,
    /// Patches that were never run, in the order of patches.txt.
    pub pending: Vec<String>,
    /// The Patch Log has patches of the app that its code lacks.
    pub lacks_patches: bool,
    /// The relation of its commit to the recorded one.
    pub descent: Option<Descent>,
}

/// A DocType that migrate would import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocTypeChange {
    pub name: String,
    pub age: Age,
}

/// The age of a DocType's file relative to the database, by `modified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Not in the database yet.
    New,
    Newer,
    Same,
    Older,
    /// The database has the definition of another app of this same code, and the effective file differs from it. A
    /// migrate that was cut short, or the reload of one app, left it. Nothing newer than this code can be lost.
    OfAnotherApp,
}

/// The relation of the pod's code to the database.
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
    /// The reason, for variants that have one.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Older(why) | Self::Unknown(why) | Self::Incomplete(why) => Some(why),
            Self::Equal | Self::Newer | Self::RolledBack => None,
        }
    }

    /// A distinct description of each variant for people.
    pub fn description(&self) -> &'static str {
        match self {
            Self::RolledBack => "rolled back",
            Self::Incomplete(_) => "incomplete",
            other => other.kind().as_str(),
        }
    }

    /// The value in `/status` and in the metric.
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
    /// True if migrate would change tables, which requires maintenance mode.
    pub fn is_anything_pending(&self) -> bool {
        !self.doctypes.is_empty()
            || !self.orphans.is_empty()
            || self.apps.iter().any(|app| !app.pending.is_empty())
    }

    /// The patches that migrate would run.
    pub fn pending(&self) -> impl Iterator<Item = &str> {
        self.apps.iter().flat_map(|app| &app.pending).map(String::as_str)
    }
}

/// Decides the relation.
pub fn relation(evidence: &Evidence) -> Relation {
    if !evidence.missing.is_empty() {
        return Relation::Incomplete(format!(
            "installed apps are missing from this pod's code or its apps.txt: {}",
            evidence.missing.join(", ")
        ));
    }
    if evidence.recorded.as_ref() == Some(&evidence.fingerprint) {
        return Relation::Equal;
    }
    if evidence.in_history {
        return Relation::RolledBack;
    }
    if let Some((app, code, installed)) = evidence.apps.iter().find_map(below) {
        return Relation::Older(format!("{app} is {code} here, and {installed} in the database"));
    }
    if let Some(app) = evidence.apps.iter().find(|app| app.descent == Some(Descent::Older)) {
        return Relation::Older(format!(
            "the commit of {} is an ancestor of the one in the database",
            app.name
        ));
    }
    if is_proved_newer(evidence) {
        return Relation::Newer;
    }
    let older = names(evidence.doctypes.iter().filter(|change| change.age == Age::Older).map(|c| &c.name));
    let (newer, orphans) = (evidence.doctypes.iter().any(is_newer), names(evidence.orphans.iter()));
    match (older, orphans) {
        (None, None) if is_newer_by_doctypes(evidence) || is_of_this_code(evidence) => Relation::Newer,
        (Some(older), None) if !newer => {
            Relation::Older(format!("the database has newer DocTypes than this code: {older}"))
        }
        (_, Some(orphans)) => Relation::Unknown(format!(
            "nothing proves it newer, and migrate would delete DocTypes: {orphans}"
        )),
        (Some(older), _) => Relation::Unknown(format!(
            "nothing proves it newer, and migrate would overwrite newer DocTypes: {older}"
        )),
        _ => Relation::Unknown("DocTypes differ, and nothing proves which are newer".into()),
    }
}

fn below(app: &AppEvidence) -> Option<(&str, &Version, &Version)> {
    let (code, installed) = (app.code.as_ref()?, app.installed.as_ref()?);
    (code < installed).then_some((app.name.as_str(), code, installed))
}

fn is_proved_newer(evidence: &Evidence) -> bool {
    let is_newer = |app: &AppEvidence| {
        let above = matches!((&app.code, &app.installed), (Some(code), Some(installed)) if code > installed);
        above || app.descent == Some(Descent::Newer) || (!app.pending.is_empty() && !app.lacks_patches)
    };
    evidence.was_begun || evidence.is_of_frappe_14 || evidence.apps.iter().any(is_newer)
}

/// True if DocTypes show newer code, and nothing would be overwritten that may be newer. A DocType that the database lacks
/// shows it only if no other one is in doubt: newer code may have deleted the one and changed the other.
fn is_newer_by_doctypes(evidence: &Evidence) -> bool {
    let has = |age| evidence.doctypes.iter().any(|change| change.age == age);
    has(Age::Newer) || (has(Age::New) && !has(Age::Same))
}

/// True if the database has nothing from other code: only the definitions of DocTypes by two apps of this code differ.
fn is_of_this_code(evidence: &Evidence) -> bool {
    let is_ours = |change: &DocTypeChange| change.age == Age::OfAnotherApp;
    evidence.orphans.is_empty()
        && evidence.apps.iter().all(|app| app.pending.is_empty())
        && evidence.doctypes.iter().all(is_ours)
}

fn is_newer(change: &DocTypeChange) -> bool {
    matches!(change.age, Age::New | Age::Newer)
}

/// The first names as a list, with the number of the others; None if there are none.
fn names<'a>(names: impl Iterator<Item = &'a String>) -> Option<String> {
    const MAX_SHOWN: usize = 5;
    let names: Vec<&str> = names.map(String::as_str).collect();
    let shown = names.iter().take(MAX_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => None,
        1..=MAX_SHOWN => Some(shown),
        more => Some(format!("{shown} and {} more", more - MAX_SHOWN)),
    }
}

#[cfg(test)]
mod tests;
