//! Tests every row of the table, and what must never happen for any observation.

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

fn unfinished(recorded_by: RecordedBy) -> Mark {
    Mark::Unfinished { attempt: "a1".into(), recorded_by }
}

const NAMES: Names<'_> = Names { site: "s", database: "d", adopt: None };

fn observation(database: &Database, folder: Folder, mark: &Mark) -> Observation {
    let (database, mark) = (database.clone(), mark.clone());
    Observation { database, database_id: "i1".into(), folder, mark, newest_backup: None }
}

fn decided(database: &Database, folder: Folder, mark: &Mark) -> Result<Action, u8> {
    decide(&observation(database, folder, mark), &NAMES).map_err(|fault| fault.code)
}

#[test]
fn a_lost_volume_is_told_its_newest_backup() {
    let mut lost = observation(&Database::Complete, Folder::Absent, &Mark::Complete);
    let hint = |lost: &Observation| decide(lost, &NAMES).unwrap_err().hint;
    assert!(hint(&lost).contains("--only files`); if"), "{}", hint(&lost));
    let age = jiff::SignedDuration::from_hours(5);
    lost.newest_backup = Some(NewestBackup { id: "20261130T014800Z-1a2b3c".into(), age });
    let told = "--only files`; the newest on record, 20261130T014800Z-1a2b3c, is 5 h old); if";
    assert!(hint(&lost).contains(told), "{}", hint(&lost));
}

#[test]
fn each_row_of_the_table_has_its_action() {
    let again = || Ok(Action::CreateAgain { attempt: "a1".into() });
    let other = Mark::OtherSite("b".into());
    let (both, volume, database) =
        (unfinished(RecordedBy::Both), unfinished(RecordedBy::Volume), unfinished(RecordedBy::Database));
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
        (Database::Complete, Folder::LoginWorks, &Mark::Complete, Ok(Action::Continue)),
        (Database::Complete, Folder::LoginWorks, &Mark::None, Ok(Action::MigrateOnce)),
        (Database::Complete, Folder::LoginWorks, &both, Ok(Action::MigrateOnce)),
        (Database::Complete, Folder::Rotated, &Mark::Complete, Ok(Action::Continue)),
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
fn only_an_unfinished_creation_of_this_volume_is_cleared() {
    let marks = [
        Mark::None,
        unfinished(RecordedBy::Both),
        unfinished(RecordedBy::Volume),
        unfinished(RecordedBy::Database),
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
                        Database::Empty => assert_ne!(*mark, unfinished(RecordedBy::Database)),
                        _ => assert_eq!((&database, mark), (&remains(true), &unfinished(RecordedBy::Both))),
                    },
                    Ok(Action::Continue | Action::MigrateOnce | Action::Adopt) => {
                        assert_eq!(database, Database::Complete)
                    }
                    Err(_) => {}
                }
            }
        }
    }
}

#[test]
fn a_folder_is_recreated_only_for_the_named_database() {
    let adopted = |adopt, folder, mark: &Mark| {
        decide(&observation(&Database::Complete, folder, mark), &Names { adopt, ..NAMES })
    };
    assert_eq!(adopted(Some("i1"), Folder::Absent, &Mark::Complete), Ok(Action::Adopt));
    assert_eq!(adopted(Some("i2"), Folder::Absent, &Mark::Complete).map_err(|f| f.code), Err(FOREIGN_DATA));
    let refusal = adopted(Some("1"), Folder::Absent, &Mark::None).unwrap_err();
    assert!(refusal.hint.contains("CAULDRON_ADOPT=i1"), "{refusal}");
    assert_eq!(adopted(Some("i1"), Folder::LoginWorks, &Mark::Complete), Ok(Action::Continue));
    let empty = observation(&Database::Empty, Folder::NoConfig, &Mark::None);
    assert!(decide(&empty, &Names { adopt: Some("i1"), ..NAMES }).is_err());
}

#[test]
fn every_row_is_reachable() {
    let marks = [Mark::None, unfinished(RecordedBy::Both), Mark::Complete, Mark::OtherSite("b".into())];
    let mut reached = Vec::new();
    for database in [Database::Empty, remains(true), remains(false), Database::Complete] {
        for folder in FOLDERS {
            for mark in &marks {
                for adopt in [None, Some("i1")] {
                    reached.push(row(&observation(&database, folder, mark), &Names { adopt, ..NAMES }));
                }
            }
        }
    }
    for row in Row::ALL {
        assert!(reached.contains(&row), "{row:?}");
    }
}
