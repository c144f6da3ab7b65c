//! Observe, then act: what is there decides what may be done. A pure function, no I/O.
//!
//! The rows of the table are in `rows`:
//!
//! ```text
//!   Observation ──row()──▶ Row ──decide()──▶ Action, or a refusal that says what an operator can do
//! ```
//!
//! *Complete* means "never cleared": installed_apps and Administrator's password are there (FRAPPE.md,
//! new-site on Postgres). *Finished* is our mark: new-site returned 0 and it was recorded.

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
mod tests {
    use super::*;
    use crate::outcome::{FOREIGN_DATA, PERMISSION};

    const FOLDERS: [Folder; 6] = [
        Folder::Absent,
        Folder::NoConfig,
        Folder::OtherDatabase,
        Folder::LoginWorks,
        Folder::Rotated,
        Folder::LoginFails,
    ];

    fn remains(ours_alone: bool) -> Database {
        Database::NotComplete(Remains { objects: vec!["public.orders".into()], ours_alone })
    }

    fn unfinished(told_by: ToldBy) -> Mark {
        Mark::Unfinished { attempt: "a1".into(), told_by }
    }

    const NAMES: Names<'_> = Names { site: "s", database: "d", adopt: None };

    fn observation(database: &Database, folder: Folder, mark: &Mark) -> Observation {
        let (database, mark) = (database.clone(), mark.clone());
        Observation { database, database_id: "i1".into(), folder, mark }
    }

    fn decided(database: &Database, folder: Folder, mark: &Mark) -> Result<Action, u8> {
        decide(&observation(database, folder, mark), &NAMES).map_err(|fault| fault.code)
    }

    #[test]
    fn every_row_of_the_table() {
        let again = || Ok(Action::CreateAgain { attempt: "a1".into() });
        let other = Mark::OtherSite("b".into());
        let (both, volume, database) =
            (unfinished(ToldBy::Both), unfinished(ToldBy::Volume), unfinished(ToldBy::Database));
        for (database, folder, mark, expected) in [
            (Database::Empty, Folder::Absent, &Mark::None, Ok(Action::Create)),
            (Database::Empty, Folder::Absent, &both, Ok(Action::Create)),
            (Database::Empty, Folder::Absent, &database, Ok(Action::Create)),
            (Database::Empty, Folder::Absent, &other, Err(FOREIGN_DATA)),
            (Database::Empty, Folder::NoConfig, &both, again()),
            (Database::Empty, Folder::LoginWorks, &volume, again()),
            (Database::Empty, Folder::LoginWorks, &database, Err(FOREIGN_DATA)),
            (Database::Empty, Folder::LoginWorks, &Mark::None, Err(FOREIGN_DATA)),
            (Database::Empty, Folder::LoginWorks, &Mark::Complete, Err(FOREIGN_DATA)),
            (Database::Complete, Folder::LoginWorks, &Mark::Complete, Ok(Action::GoOn)),
            (Database::Complete, Folder::LoginWorks, &Mark::None, Ok(Action::MigrateOnce)),
            (Database::Complete, Folder::LoginWorks, &both, Ok(Action::MigrateOnce)),
            (Database::Complete, Folder::Rotated, &Mark::Complete, Ok(Action::GoOn)),
            (Database::Complete, Folder::LoginFails, &Mark::Complete, Err(PERMISSION)),
            (Database::Complete, Folder::OtherDatabase, &Mark::None, Err(FOREIGN_DATA)),
            (Database::Complete, Folder::Absent, &Mark::Complete, Err(FOREIGN_DATA)),
            (Database::Complete, Folder::Absent, &both, Err(FOREIGN_DATA)),
            (Database::Complete, Folder::NoConfig, &both, Ok(Action::MigrateOnce)),
            (Database::Complete, Folder::NoConfig, &volume, Err(FOREIGN_DATA)),
            (Database::Complete, Folder::LoginWorks, &other, Err(FOREIGN_DATA)),
            (remains(true), Folder::Absent, &both, again()),
            (remains(true), Folder::LoginWorks, &both, again()),
            (remains(true), Folder::Absent, &volume, Err(FOREIGN_DATA)),
            (remains(true), Folder::Absent, &database, Err(FOREIGN_DATA)),
            (remains(true), Folder::Absent, &Mark::None, Err(FOREIGN_DATA)),
            (remains(false), Folder::Absent, &both, Err(FOREIGN_DATA)),
            (remains(true), Folder::LoginWorks, &Mark::Complete, Err(FOREIGN_DATA)),
        ] {
            assert_eq!(decided(&database, folder, mark), expected, "{database:?} {folder:?} {mark:?}");
        }
    }

    #[test]
    fn nothing_but_an_unfinished_creation_of_this_volume_is_ever_cleared() {
        let marks = [
            Mark::None,
            unfinished(ToldBy::Both),
            unfinished(ToldBy::Volume),
            unfinished(ToldBy::Database),
            Mark::Complete,
            Mark::OtherSite("b".into()),
        ];
        for database in [Database::Empty, remains(true), remains(false), Database::Complete] {
            for folder in FOLDERS {
                for mark in &marks {
                    match decided(&database, folder, mark) {
                        Ok(Action::Create) => {
                            assert_eq!((&database, folder), (&Database::Empty, Folder::Absent));
                        }
                        Ok(Action::CreateAgain { .. }) => match database {
                            Database::Empty => assert_ne!(*mark, unfinished(ToldBy::Database)),
                            _ => assert_eq!((&database, mark), (&remains(true), &unfinished(ToldBy::Both))),
                        },
                        Ok(Action::GoOn | Action::MigrateOnce | Action::Adopt) => {
                            assert_eq!(database, Database::Complete)
                        }
                        Err(_) => {}
                    }
                }
            }
        }
    }

    #[test]
    fn a_folder_is_made_anew_for_the_database_that_was_named_and_no_other() {
        let adopted = |adopt, folder, mark: &Mark| {
            decide(&observation(&Database::Complete, folder, mark), &Names { adopt, ..NAMES })
        };
        assert_eq!(adopted(Some("i1"), Folder::Absent, &Mark::Complete), Ok(Action::Adopt));
        assert_eq!(
            adopted(Some("i2"), Folder::Absent, &Mark::Complete).map_err(|f| f.code),
            Err(FOREIGN_DATA)
        );
        let refusal = adopted(Some("1"), Folder::Absent, &Mark::None).unwrap_err();
        assert!(refusal.mend.contains("CAULDRON_ADOPT=i1"), "{refusal}");
        assert_eq!(adopted(Some("i1"), Folder::LoginWorks, &Mark::Complete), Ok(Action::GoOn));
        let empty = observation(&Database::Empty, Folder::NoConfig, &Mark::None);
        assert!(decide(&empty, &Names { adopt: Some("i1"), ..NAMES }).is_err());
    }

    #[test]
    fn every_row_can_be_met() {
        let marks = [Mark::None, unfinished(ToldBy::Both), Mark::Complete, Mark::OtherSite("b".into())];
        let mut met = Vec::new();
        for database in [Database::Empty, remains(true), remains(false), Database::Complete] {
            for folder in FOLDERS {
                for mark in &marks {
                    for adopt in [None, Some("i1")] {
                        met.push(row(&observation(&database, folder, mark), &Names { adopt, ..NAMES }));
                    }
                }
            }
        }
        for row in Row::ALL {
            assert!(met.contains(&row), "{row:?}");
        }
    }
}
