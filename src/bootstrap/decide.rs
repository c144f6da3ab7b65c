//! Observe, then act: what is there decides what may be done. A pure function, no I/O.
//!
//! | database | site folder | our mark | action |
//! |---|---|---|---|
//! | any | any | another site's | refuse (65): two sites in one database |
//! | empty | absent or an empty folder | any | create |
//! | complete | there, its login works | complete | go on |
//! | complete | there, its login works | none or unfinished | migrate once, mark complete, go on |
//! | complete | there, its login fails | any | refuse (77) |
//! | complete | there, another database's | any | refuse (65) |
//! | complete | absent | any | refuse (65): the lost or wrong volume |
//! | empty | there | none | refuse (65): the lost or wrong database |
//! | empty or tables, not complete | any | unfinished creation of ours | refuse (75): nothing is cleared yet |
//! | tables, not complete | any | none or complete | refuse (65) |
//!
//! *Complete* means "never cleared": installed_apps and Administrator's password are there (FRAPPE.md,
//! new-site on Postgres). *Finished* is our mark: new-site returned 0 and it was recorded.

use crate::outcome::Fault;

/// What the site's database holds, our own tables aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// Absent, or with nothing that anybody made in it.
    Empty,
    /// What it holds, by name.
    NotComplete(Vec<String>),
    Complete,
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
    LoginFails,
}

/// What we recorded, in the database or on the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    None,
    /// A creation that was started and not recorded as finished; its attempt.
    Unfinished(String),
    Complete,
    /// The database is, or is becoming, the one of a site of this other name.
    OtherSite(String),
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
        (Database::Complete, Folder::LoginWorks, Mark::Complete) => Ok(Action::GoOn),
        (Database::Complete, Folder::LoginWorks, _) => Ok(Action::MigrateOnce),
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
        (Database::Complete, Folder::Absent | Folder::NoConfig, _) => Err(Fault::foreign_data(
            format!("database `{database}` holds a complete site, and sites/{site} has no site_config.json"),
            "the volume is lost or the wrong one: mount the right one, or restore sites/ from a backup; nothing was changed",
        )),
        (_, _, Mark::Unfinished(attempt)) => Err(Fault::try_again(
            format!("an earlier creation of {site} (attempt {attempt}) did not finish"),
            format!(
                "make sure that nobody needs what it left, then drop database `{database}`, remove sites/{site} and sites/.cauldron/{site}, and start again; nothing was changed"
            ),
        )),
        (Database::Empty, _, _) => Err(Fault::foreign_data(
            format!("sites/{site} is there, and database `{database}` is empty"),
            "the database is lost or the wrong one: point DB_HOST and DB_NAME at the right one, or restore it from a backup; nothing was changed",
        )),
        (Database::NotComplete(tables), _, _) => Err(Fault::foreign_data(
            format!("database `{database}` holds what is no finished site of ours: {}", some(tables)),
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
    use crate::outcome::{FOREIGN_DATA, PERMISSION, TRY_AGAIN};

    const FOLDERS: [Folder; 5] =
        [Folder::Absent, Folder::NoConfig, Folder::OtherDatabase, Folder::LoginWorks, Folder::LoginFails];

    fn decided(database: &Database, folder: Folder, mark: &Mark) -> Result<Action, u8> {
        let seen = Observation { database: database.clone(), folder, mark: mark.clone() };
        decide(&seen, &Names { site: "s", database: "d" }).map_err(|fault| fault.code)
    }

    #[test]
    fn every_row_of_the_table() {
        let tables = Database::NotComplete(vec!["orders".into()]);
        let unfinished = Mark::Unfinished("a1".into());
        let other = Mark::OtherSite("b".into());
        for (database, folder, mark, expected) in [
            (&Database::Empty, Folder::Absent, &Mark::None, Ok(Action::Create)),
            (&Database::Complete, Folder::LoginWorks, &Mark::Complete, Ok(Action::GoOn)),
            (&Database::Complete, Folder::LoginWorks, &Mark::None, Ok(Action::MigrateOnce)),
            (&Database::Complete, Folder::LoginWorks, &unfinished, Ok(Action::MigrateOnce)),
            (&Database::Complete, Folder::LoginFails, &Mark::Complete, Err(PERMISSION)),
            (&Database::Complete, Folder::OtherDatabase, &Mark::None, Err(FOREIGN_DATA)),
            (&Database::Complete, Folder::Absent, &Mark::Complete, Err(FOREIGN_DATA)),
            (&Database::Complete, Folder::NoConfig, &unfinished, Err(FOREIGN_DATA)),
            (&Database::Empty, Folder::Absent, &unfinished, Ok(Action::Create)),
            (&Database::Empty, Folder::Absent, &other, Err(FOREIGN_DATA)),
            (&Database::Complete, Folder::LoginWorks, &other, Err(FOREIGN_DATA)),
            (&Database::Empty, Folder::LoginWorks, &Mark::None, Err(FOREIGN_DATA)),
            (&Database::Empty, Folder::LoginFails, &unfinished, Err(TRY_AGAIN)),
            (&tables, Folder::Absent, &unfinished, Err(TRY_AGAIN)),
            (&tables, Folder::Absent, &Mark::None, Err(FOREIGN_DATA)),
            (&tables, Folder::LoginWorks, &Mark::Complete, Err(FOREIGN_DATA)),
        ] {
            assert_eq!(decided(database, folder, mark), expected, "{database:?} {folder:?} {mark:?}");
        }
    }

    #[test]
    fn creation_happens_on_nothing_but_emptiness() {
        let marks = [Mark::None, Mark::Unfinished("a".into()), Mark::Complete, Mark::OtherSite("b".into())];
        for database in [Database::Empty, Database::NotComplete(vec![]), Database::Complete] {
            for folder in FOLDERS {
                for mark in &marks {
                    if decided(&database, folder, mark) == Ok(Action::Create) {
                        assert_eq!((&database, folder), (&Database::Empty, Folder::Absent));
                    }
                }
            }
        }
    }
}
