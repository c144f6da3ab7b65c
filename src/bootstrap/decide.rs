//! Observe, then act: what is there decides what may be done. A pure function, no I/O.
//!
//! | database | site folder | our mark | action |
//! |---|---|---|---|
//! | any | any | another site's | refuse (65): two sites in one database |
//! | empty | absent or an empty folder | any | create |
//! | complete | there, its login works | complete | go on |
//! | complete | there, its login works | none or unfinished | migrate once, mark complete, go on |
//! | complete | there, its login fails, the configured one works | any | a rotation: write the new password, go on |
//! | complete | there, neither works | any | refuse (77) |
//! | complete | there, another database's | any | refuse (65) |
//! | complete | without site_config.json | unfinished creation, in the database and on this volume | write it, migrate once, mark complete, go on |
//! | complete | absent, or without site_config.json | any other | refuse (65): the lost or wrong volume |
//! | empty | there | unfinished creation of this volume | set the folder aside, create |
//! | empty | there | none or complete | refuse (65): the lost or wrong database |
//! | not complete, ours alone | any | unfinished creation, in the database and on this volume | clear it, create |
//! | not complete | any | any other | refuse (65) |
//!
//! *Complete* means "never cleared": installed_apps and Administrator's password are there (FRAPPE.md,
//! new-site on Postgres). *Finished* is our mark: new-site returned 0 and it was recorded.

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
}

/// Names of the things at stake, for the words of a refusal.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub site: &'a str,
    pub database: &'a str,
}

/// The table above.
///
/// # Errors
/// A refusal, with what an operator can do; nothing was changed.
pub fn decide(seen: &Observation, names: &Names<'_>) -> Result<Action, Fault> {
    let Names { site, database } = names;
    match (&seen.database, seen.folder, &seen.mark) {
        (_, _, Mark::OtherSite(other)) => Err(Fault::foreign_data(
            format!("database `{database}` belongs to site {other}, and SITE_NAME is {site}"),
            format!(
                "set SITE_NAME to {other}, or DB_NAME to a database of {site}'s own; nothing was changed"
            ),
        )),
        // Whatever was begun, nothing of it is left.
        (Database::Empty, Folder::Absent, _) => Ok(Action::Create),
        (Database::Complete, Folder::LoginWorks | Folder::Rotated, Mark::Complete) => Ok(Action::GoOn),
        (Database::Complete, Folder::LoginWorks | Folder::Rotated, _) => Ok(Action::MigrateOnce),
        (Database::Complete, Folder::LoginFails, _) => Err(Fault::permission(
            format!("the password in sites/{site}/site_config.json does not open database `{database}`"),
            format!(
                "set that file's db_password, or run: ALTER ROLE \"{database}\" PASSWORD '…' with the password it has"
            ),
        )),
        (_, Folder::OtherDatabase, _) => Err(Fault::foreign_data(
            format!(
                "sites/{site}/site_config.json names another database than `{database}` (its db_name, db_host or db_port)"
            ),
            "set DB_NAME, DB_HOST and DB_PORT to what it names, or SITE_NAME to the right site; nothing was changed",
        )),
        // Cut off while it was written, by whoever died in that creation.
        (Database::Complete, Folder::NoConfig, Mark::Unfinished { told_by: ToldBy::Both, .. }) => {
            Ok(Action::MigrateOnce)
        }
        (Database::Complete, Folder::Absent | Folder::NoConfig, _) => Err(Fault::foreign_data(
            format!("database `{database}` holds a complete site, and sites/{site} has no site_config.json"),
            "the volume is lost or the wrong one: mount the right one, or restore sites/ from a backup; nothing was changed",
        )),
        (Database::Empty, _, Mark::Unfinished { attempt, told_by: ToldBy::Volume | ToldBy::Both }) => {
            Ok(Action::CreateAgain { attempt: attempt.clone() })
        }
        (Database::NotComplete(remains), _, Mark::Unfinished { attempt, told_by: ToldBy::Both })
            if remains.ours_alone =>
        {
            Ok(Action::CreateAgain { attempt: attempt.clone() })
        }
        (Database::Empty, _, _) => Err(Fault::foreign_data(
            format!("sites/{site} is there, and database `{database}` is empty"),
            "the database is lost or the wrong one: point DB_HOST and DB_NAME at the right one, or restore it from a backup; nothing was changed",
        )),
        (Database::NotComplete(remains), _, _) => Err(Fault::foreign_data(
            format!(
                "database `{database}` holds what is no finished site of ours: {}",
                some(&remains.objects)
            ),
            "name an empty or a new database in DB_NAME, or restore a whole site into this one; nothing was changed",
        )),
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

    fn decided(database: &Database, folder: Folder, mark: &Mark) -> Result<Action, u8> {
        let seen = Observation { database: database.clone(), folder, mark: mark.clone() };
        decide(&seen, &Names { site: "s", database: "d" }).map_err(|fault| fault.code)
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
                        Ok(Action::GoOn | Action::MigrateOnce) => assert_eq!(database, Database::Complete),
                        Err(_) => {}
                    }
                }
            }
        }
    }
}
