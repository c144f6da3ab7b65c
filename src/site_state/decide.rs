//! Observe, then act: what is there decides what may be done. A pure function, no I/O.
//!
//! The rows of the table are in `rows`:
//!
//! ```text
//!   Observation ──row()──▶ Row ──decide()──▶ Action, or a refusal that says what an operator can do
//! ```
//!
//! *Complete* means "never cleared": installed_apps and Administrator's password are there
//! (docs/frappe-sites.md#complete-is-not-finished). *Finished* is our mark: new-site returned 0 and it was
//! recorded.

use super::rows::Row;
use crate::outcome::Fault;

/// What the site's database holds, our own tables aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// Absent, or with nothing that anybody made in it.
    Empty,
    NotComplete(Remains),
    Complete,
}

/// What is in a database that is neither empty nor complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// By name.
    pub objects: Vec<String>,
    /// Nothing but relations in public that the site's own role owns, and no user but Administrator
    /// and Guest: what a creation of ours leaves when it is cut off.
    pub ours_alone: bool,
}

/// What the volume holds of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    Absent,
    /// Its site_config.json is absent or cannot be read.
    NoConfig,
    /// It names another database.
    OtherDatabase,
    LoginWorks,
    /// Its own password is no longer right, and the configured one is.
    Rotated,
    LoginFails,
}

/// What we recorded, in the database or on the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    None,
    /// A creation that was started and not recorded as finished.
    Unfinished {
        attempt: String,
        told_by: ToldBy,
    },
    Complete,
    /// The database is, or is becoming, the one of a site of this other name.
    OtherSite(String),
}

/// Who names the attempt of an unfinished creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldBy {
    /// The volume alone: the database has no record of it.
    Volume,
    /// The database alone: this volume, or this installation, had no part in it.
    Database,
    /// The same attempt of the same installation.
    Both,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub database: Database,
    /// What tells this database from others: the installation on record in it, else its OID.
    pub database_id: String,
    pub folder: Folder,
    pub mark: Mark,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    /// Clear what that attempt of ours left, then create.
    CreateAgain {
        attempt: String,
    },
    GoOn,
    /// A complete site that we did not see finished: one migrate mends what a kill left out.
    MigrateOnce,
    /// Make the lost folder of a complete site anew, then the same.
    Adopt,
}

impl Observation {
    /// A database that is not there, or whose emptiness was seen by somebody else.
    pub fn without_database(folder: Folder, mark: Mark) -> Self {
        Self { database: Database::Empty, database_id: String::new(), folder, mark }
    }
}

/// Names of the things at stake, and what the operator says of them.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub site: &'a str,
    pub database: &'a str,
    /// CAULDRON_ADOPT: the id of a database whose folder is known to be lost.
    pub adopt: Option<&'a str>,
}

/// Where in the table this is.
pub fn row(seen: &Observation, names: &Names<'_>) -> Row {
    match (&seen.database, seen.folder, &seen.mark) {
        (_, _, Mark::OtherSite(_)) => Row::OtherSite,
        // Whatever was begun, nothing of it is left.
        (Database::Empty, Folder::Absent, _) => Row::New,
        (_, Folder::OtherDatabase, _) => Row::OtherDatabase,
        (Database::Complete, Folder::LoginWorks, Mark::Complete) => Row::Finished,
        (Database::Complete, Folder::LoginWorks, _) => Row::NotRecorded,
        (Database::Complete, Folder::Rotated, _) => Row::Rotated,
        (Database::Complete, Folder::LoginFails, _) => Row::LoginFails,
        // Cut off while it was written, by whoever died in that creation.
        (Database::Complete, Folder::NoConfig, Mark::Unfinished { told_by: ToldBy::Both, .. }) => {
            Row::HalvedConfig
        }
        (Database::Complete, Folder::Absent | Folder::NoConfig, _) => {
            if names.adopt == Some(seen.database_id.as_str()) { Row::Adopted } else { Row::LostVolume }
        }
        (Database::Empty, _, Mark::Unfinished { told_by: ToldBy::Volume | ToldBy::Both, .. }) => {
            Row::CutOffBeforeTables
        }
        (Database::Empty, ..) => Row::LostDatabase,
        (Database::NotComplete(remains), _, Mark::Unfinished { told_by: ToldBy::Both, .. })
            if remains.ours_alone =>
        {
            Row::CutOff
        }
        (Database::NotComplete(_), ..) => Row::Foreign,
    }
}

/// What is to be done.
///
/// # Errors
/// A refusal, with what an operator can do; nothing was changed.
pub fn decide(seen: &Observation, names: &Names<'_>) -> Result<Action, Fault> {
    let Names { site, database, .. } = names;
    match (row(seen, names), &seen.mark) {
        (Row::New, _) => Ok(Action::Create),
        (Row::CutOffBeforeTables | Row::CutOff, Mark::Unfinished { attempt, .. }) => {
            Ok(Action::CreateAgain { attempt: attempt.clone() })
        }
        (Row::Finished, _) | (Row::Rotated, Mark::Complete) => Ok(Action::GoOn),
        (Row::NotRecorded | Row::Rotated | Row::HalvedConfig, _) => Ok(Action::MigrateOnce),
        (Row::Adopted, _) => Ok(Action::Adopt),
        (refused, _) => Err(refusal(refused, seen, site, database)),
    }
}

/// Whether migrate runs even where the fingerprint is the recorded one; none where the gate is not asked: nobody ever
/// worked with a site whose creation was cut off, or there is none yet.
pub fn migrates_always(action: &Action, mark: &Mark) -> Option<bool> {
    match (action, mark) {
        (Action::GoOn, _) => Some(false),
        (Action::Create | Action::CreateAgain { .. }, _) | (_, Mark::Unfinished { .. }) => None,
        (Action::MigrateOnce | Action::Adopt, _) => Some(true),
    }
}

fn refusal(row: Row, seen: &Observation, site: &str, database: &str) -> Fault {
    match (row, &seen.mark, &seen.database) {
        (Row::OtherSite, Mark::OtherSite(other), _) => Fault::foreign_data(
            format!("database `{database}` belongs to site {other}, and SITE_NAME is {site}"),
            format!(
                "set SITE_NAME to {other}, or DB_NAME to a database of {site}'s own; nothing was changed"
            ),
        ),
        (Row::LoginFails, ..) => Fault::permission(
            format!("the password in sites/{site}/site_config.json does not open database `{database}`"),
            format!(
                "set SITE_DB_PASSWORD to the one that does, or run: ALTER ROLE \"{database}\" PASSWORD '…' with the file's"
            ),
        ),
        (Row::OtherDatabase, ..) => Fault::foreign_data(
            format!(
                "sites/{site}/site_config.json names another database than `{database}` (its db_name, db_host or db_port)"
            ),
            "set DB_NAME, DB_HOST and DB_PORT to what it names, or SITE_NAME to the right site; nothing was changed",
        ),
        (Row::LostVolume, ..) => Fault::foreign_data(
            format!("database `{database}` holds a complete site, and sites/{site} has no site_config.json"),
            format!(
                "the volume is lost or the wrong one: mount the right one, or restore sites/ from a backup; where it is gone for good, CAULDRON_ADOPT={} makes an empty folder; nothing was changed",
                seen.database_id
            ),
        ),
        (_, _, Database::NotComplete(remains)) => Fault::foreign_data(
            format!(
                "database `{database}` holds what is no finished site of ours: {}",
                some(&remains.objects)
            ),
            "name an empty or a new database in DB_NAME, or restore a whole site into this one; nothing was changed",
        ),
        _ => Fault::foreign_data(
            format!("sites/{site} is there, and database `{database}` is empty"),
            "the database is lost or the wrong one: point DB_HOST and DB_NAME at the right one, or restore it from a backup; nothing was changed",
        ),
    }
}

fn some(tables: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = tables.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match tables.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests;
