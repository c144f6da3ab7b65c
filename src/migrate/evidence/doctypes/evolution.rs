//! Releases of apps that add, change, rename, drop, share and take over DocTypes: how each release relates to tables
//! that any other one of them migrated.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::tests::{Database, day};
use super::{DoctypeFile, changes};
use crate::code::ancestry::Descent;
use crate::code::relation::{AppEvidence, Evidence, Relation, relation};

const APPS: usize = 3;
const NAMES: usize = 4;

/// What one release changes, in an app and a DocType.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Adds it, or writes it anew; another app may define it, too.
    Write(usize, usize),
    Drop(usize, usize),
    /// The file stays, under another name.
    Rename(usize, usize, usize),
    /// The app drops it, and the other one defines it from then on.
    TakeOver(usize, usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let (app, name) = (0..APPS, 0..NAMES);
    prop_oneof![
        4 => (app.clone(), name.clone()).prop_map(|(app, name)| Change::Write(app, name)),
        2 => (app.clone(), name.clone()).prop_map(|(app, name)| Change::Drop(app, name)),
        1 => (app.clone(), name.clone(), name.clone()).prop_map(|(app, old, new)| Change::Rename(app, old, new)),
        1 => (app.clone(), app, name).prop_map(|(from, to, name)| Change::TakeOver(from, to, name)),
    ]
}

/// The days on which each app's DocTypes were written. The apps are in the order of their installation.
type Code = BTreeMap<(usize, usize), u32>;

fn release(before: &Code, changes: &[Change], today: u32) -> Code {
    let mut code = before.clone();
    for change in changes {
        match *change {
            Change::Write(app, name) => drop(code.insert((app, name), today)),
            Change::Drop(app, name) => drop(code.remove(&(app, name))),
            Change::Rename(app, old, new) => {
                if code.remove(&(app, old)).is_some() {
                    code.insert((app, new), today);
                }
            }
            Change::TakeOver(from, to, name) => {
                if code.remove(&(from, name)).is_some() {
                    code.insert((to, name), today);
                }
            }
        }
    }
    code
}

fn files(code: &Code) -> Vec<DoctypeFile> {
    let file = |(&(app, name), &written): (&(usize, usize), &u32)| DoctypeFile {
        name: format!("DocType {name}"),
        hash: format!("{app} {name} {written}"),
        modified: day(written),
        is_imported: true,
    };
    code.iter().map(file).collect()
}

/// The tables after each release of this history was migrated to, up to this one.
fn migrated(history: &[Code]) -> Database {
    let mut database = Database::default();
    for (at, code) in history.iter().enumerate() {
        let files = files(code);
        database.sync(&files, 2 * at as u32 + 1);
        let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        database.0.retain(|name, _| names.contains(name.as_str()));
    }
    database
}

fn evidence(code: &Code, database: &Database, descent: Option<Descent>) -> Evidence {
    let (doctypes, known) = changes(files(code), &database.0);
    let orphans = database.0.keys().filter(|name| !known.contains(*name)).cloned().collect();
    let app = AppEvidence { name: "shop".into(), descent, ..AppEvidence::default() };
    Evidence { fingerprint: "mine".into(), orphans, doctypes, apps: vec![app], ..Evidence::default() }
}

/// A history of releases, each written on an even day and migrated to on the next. The first defines most DocTypes, some
/// in several apps.
fn history() -> impl Strategy<Value = Vec<Code>> {
    let first = proptest::collection::btree_map((0..APPS, 0..NAMES), 0_u32..1, 4..10);
    let releases = proptest::collection::vec(proptest::collection::vec(change(), 1..4), 0..5);
    (first, releases).prop_map(|(first, releases)| {
        let mut history = vec![first];
        for changes in &releases {
            let (before, today) = (&history[history.len() - 1], 2 * history.len() as u32);
            history.push(release(before, changes, today));
        }
        history
    })
}

/// The DocTypes whose stored definition this code would delete or overwrite although it is not its own.
fn lost(code: &Code, database: &Database) -> Vec<String> {
    let files = files(code);
    let is_lost = |(name, stored): (&String, &super::RecordedDocType)| {
        let own: Vec<&DoctypeFile> = files.iter().filter(|file| file.name == *name).collect();
        (!own.iter().any(|file| Some(&file.hash) == stored.hash.as_ref())).then(|| name.clone())
    };
    database.0.iter().filter_map(is_lost).collect()
}

proptest! {
    #[test]
    fn the_release_that_migrated_last_is_at_home(history in history()) {
        let (code, database) = (&history[history.len() - 1], migrated(&history));
        let seen = evidence(code, &database, None);
        prop_assert!(!seen.is_anything_pending(), "{:?}", seen);
        prop_assert_eq!(relation(&seen), Relation::Newer);
    }

    /// Dates say nothing against a commit.
    #[test]
    fn the_commit_decides_before_the_dates(history in history(), which in any::<prop::sample::Index>()) {
        let at = which.index(history.len());
        let before = migrated(&history[..=at]);
        for newer in &history[at + 1..] {
            prop_assert_eq!(relation(&evidence(newer, &before, Some(Descent::Newer))), Relation::Newer);
        }
        let after = migrated(&history);
        for older in &history[..history.len() - 1] {
            let relation = relation(&evidence(older, &after, Some(Descent::Older)));
            prop_assert!(matches!(relation, Relation::Older(_)), "{:?}", relation);
        }
    }

    /// Without a proof, an older release never deletes or overwrites what it does not contain.
    #[test]
    fn an_older_release_destroys_nothing(history in history()) {
        let database = migrated(&history);
        for older in &history[..history.len() - 1] {
            let (relation, lost) = (relation(&evidence(older, &database, None)), lost(older, &database));
            prop_assert!(relation != Relation::Newer || lost.is_empty(), "{:?} loses {:?}", older, lost);
        }
    }
}

/// An older release that the property above needs many tries to find.
#[test]
fn a_dropped_doctype_beside_a_changed_one_of_two_apps_proves_nothing() {
    let old = Code::from([((0, 0), 0), ((0, 1), 0), ((1, 1), 0)]);
    let new = release(&old, &[Change::Drop(0, 0), Change::Write(1, 1)], 2);
    let database = migrated(&[old.clone(), new]);
    assert_eq!(lost(&old, &database), ["DocType 1"]);
    assert!(matches!(relation(&evidence(&old, &database, None)), Relation::Unknown(_)));
}
