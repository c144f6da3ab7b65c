//! Observe, then act: the observed state decides which action is allowed. A pure function, no I/O.
//!
//! The rows of the table are in `rows`:
//!
//! ```text
//!   Observation ──row()──▶ Row ──decide()──▶ Action, or a refusal that says what an operator can do
//! ```
//!
//! *Complete* means "never cleared": installed_apps and Administrator's password exist
//! (docs/frappe-sites.md#complete-is-not-finished). *Finished* means that our mark exists: new-site returned 0 and we
//! recorded it.

use super::rows::Row;
use crate::backups::bytes::age;
use crate::outcome::Fault;
use crate::outcome::refusal::Refusal;
use crate::record::newest_backup::NewestBackup;

/// The contents of the site's database, without our own tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// Absent, or without any object created by a user.
    Empty,
    NotComplete(Remains),
    Complete,
}

/// The contents of a database that is neither empty nor complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// Names of the objects.
    pub objects: Vec<String>,
    /// True if there are only relations in schema public that the site's own role owns, and no users except
    /// Administrator and Guest. An interrupted creation of ours leaves exactly that.
    pub ours_alone: bool,
}

/// The site's folder on the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    Absent,
    /// Its site_config.json is absent or cannot be read.
    NoConfig,
    /// site_config.json names another database.
    OtherDatabase,
    LoginWorks,
    /// The password in site_config.json no longer works; the configured one does.
    Rotated,
    LoginFails,
}

/// Our record of the site's creation, in the database or on the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    None,
    /// A creation was started and not recorded as finished.
    Unfinished {
        attempt: String,
        recorded_by: RecordedBy,
    },
    Complete,
    /// The database belongs to a site of this other name, whose creation was started or finished.
    OtherSite(String),
}

/// The places that record the attempt of an unfinished creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedBy {
    /// Only the volume: the database has no record of the attempt.
    Volume,
    /// Only the database: another volume or another installation made the attempt.
    Database,
    /// Both: the same attempt of the same installation.
    Both,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub database: Database,
    /// Identifies the database: the installation id recorded in it, or else its OID.
    pub database_id: String,
    pub folder: Folder,
    pub mark: Mark,
    /// The newest backup on record, if the volume is lost.
    pub newest_backup: Option<NewestBackup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    /// Clear what that attempt of ours left, then create the site.
    CreateAgain {
        attempt: String,
    },
    Continue,
    /// A complete site that was never recorded as finished: one migrate completes what a kill left out.
    MigrateOnce,
    /// Recreate the lost folder of a complete site, then migrate once.
    Adopt,
}

impl Observation {
    /// An observation for a database that is absent, or that was found to be empty elsewhere.
    pub fn without_database(folder: Folder, mark: Mark) -> Self {
        Self { database: Database::Empty, database_id: String::new(), folder, mark, newest_backup: None }
    }
}

/// The names that the decision needs, and the operator's setting.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub site: &'a str,
    pub database: &'a str,
    /// CAULDRON_ADOPT: the id of a database whose folder is known to be lost.
    pub adopt: Option<&'a str>,
}

/// Returns the row of the table that applies.
pub fn row(observation: &Observation, names: &Names<'_>) -> Row {
    match (&observation.database, observation.folder, &observation.mark) {
        (_, _, Mark::OtherSite(_)) => Row::OtherSite,
        // Whatever was started, nothing of it is left.
        (Database::Empty, Folder::Absent, _) => Row::New,
        (_, Folder::OtherDatabase, _) => Row::OtherDatabase,
        (Database::Complete, Folder::LoginWorks, Mark::Complete) => Row::Finished,
        (Database::Complete, Folder::LoginWorks, _) => Row::NotRecorded,
        (Database::Complete, Folder::Rotated, _) => Row::Rotated,
        (Database::Complete, Folder::LoginFails, _) => Row::LoginFails,
        // The creation was killed while it wrote site_config.json.
        (Database::Complete, Folder::NoConfig, Mark::Unfinished { recorded_by: RecordedBy::Both, .. }) => {
            Row::HalvedConfig
        }
        (Database::Complete, Folder::Absent | Folder::NoConfig, _) => {
            if names.adopt == Some(observation.database_id.as_str()) { Row::Adopted } else { Row::LostVolume }
        }
        (Database::Empty, _, Mark::Unfinished { recorded_by: RecordedBy::Volume | RecordedBy::Both, .. }) => {
            Row::CutOffBeforeTables
        }
        (Database::Empty, ..) => Row::LostDatabase,
        (Database::NotComplete(remains), _, Mark::Unfinished { recorded_by: RecordedBy::Both, .. })
            if remains.ours_alone =>
        {
            Row::CutOff
        }
        (Database::NotComplete(_), ..) => Row::Foreign,
    }
}

/// Decides the action.
///
/// # Errors
/// A refusal that says what an operator can do. Nothing was changed.
pub fn decide(observation: &Observation, names: &Names<'_>) -> Result<Action, Fault> {
    let Names { site, database, .. } = names;
    match (row(observation, names), &observation.mark) {
        (Row::New, _) => Ok(Action::Create),
        (Row::CutOffBeforeTables | Row::CutOff, Mark::Unfinished { attempt, .. }) => {
            Ok(Action::CreateAgain { attempt: attempt.clone() })
        }
        (Row::Finished, _) | (Row::Rotated, Mark::Complete) => Ok(Action::Continue),
        (Row::NotRecorded | Row::Rotated | Row::HalvedConfig, _) => Ok(Action::MigrateOnce),
        (Row::Adopted, _) => Ok(Action::Adopt),
        (refused, _) => Err(refusal(refused, observation, site, database)),
    }
}

/// Returns true if migrate runs even for an unchanged fingerprint, and None if the migration decision is skipped: the
/// site does not exist yet, or its creation was interrupted, so nobody has used it.
pub fn migrates_always(action: &Action, mark: &Mark) -> Option<bool> {
    match (action, mark) {
        (Action::Continue, _) => Some(false),
        (Action::Create | Action::CreateAgain { .. }, _) | (_, Mark::Unfinished { .. }) => None,
        (Action::MigrateOnce | Action::Adopt, _) => Some(true),
    }
}

fn refusal(row: Row, observation: &Observation, site: &str, database: &str) -> Fault {
    let (name, fault) = match (row, &observation.mark, &observation.database) {
        (Row::OtherSite, Mark::OtherSite(other), _) => (
            Refusal::DatabaseOfOtherSite,
            Fault::foreign_data(
                format!("database `{database}` belongs to site {other}, and SITE_NAME is {site}"),
                format!(
                    "set SITE_NAME to {other}, or DB_NAME to a separate database for {site}; nothing was changed"
                ),
            ),
        ),
        (Row::LoginFails, ..) => (
            Refusal::SiteLoginFails,
            Fault::permission(
                format!("the password in sites/{site}/site_config.json does not open database `{database}`"),
                format!(
                    "set SITE_DB_PASSWORD to the right password, or run: ALTER ROLE \"{database}\" PASSWORD '…' with \
                     the password in that file"
                ),
            ),
        ),
        (Row::OtherDatabase, ..) => (
            Refusal::ConfigOfOtherDatabase,
            Fault::foreign_data(
                format!(
                    "sites/{site}/site_config.json names another database than `{database}` (its db_name, db_host or \
                     db_port)"
                ),
                "set DB_NAME, DB_HOST and DB_PORT to the values in that file, or SITE_NAME to the right site; nothing \
                 was changed",
            ),
        ),
        (Row::LostVolume, ..) => (
            Refusal::VolumeLost,
            Fault::foreign_data(
                format!(
                    "database `{database}` holds a complete site, and sites/{site} has no site_config.json"
                ),
                format!(
                    "the volume is lost or the wrong one: mount the right one, or restore sites/ from a backup \
                     (`cauldron-frappe restore newest --only files`{}); if the folder is lost permanently, set \
                     CAULDRON_ADOPT={} to create an empty one; nothing was changed",
                    observation.newest_backup.as_ref().map(shown).unwrap_or_default(),
                    observation.database_id
                ),
            ),
        ),
        (_, _, Database::NotComplete(remains)) => (
            Refusal::ForeignDatabase,
            Fault::foreign_data(
                format!(
                    "database `{database}` holds objects that are not a complete site of ours: {}",
                    first_names(&remains.objects)
                ),
                "set DB_NAME to an empty or a new database, or restore a complete site into this one; nothing was \
                 changed",
            ),
        ),
        _ => (
            Refusal::DatabaseLost,
            Fault::foreign_data(
                format!("sites/{site} exists, and database `{database}` is empty"),
                "the database is lost or the wrong one: set DB_HOST and DB_NAME to the right one, or restore it from a \
                 backup; nothing was changed",
            ),
        ),
    };
    fault.named(name)
}

/// What a restore of the files would bring back.
fn shown(newest: &NewestBackup) -> String {
    format!("; the newest on record, {}, is {} old", newest.id, age(newest.age))
}

fn first_names(tables: &[String]) -> String {
    const MAX_SHOWN: usize = 5;
    let shown = tables.iter().take(MAX_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match tables.len().checked_sub(MAX_SHOWN) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests;
