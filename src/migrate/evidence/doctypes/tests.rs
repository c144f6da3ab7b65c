use proptest::prelude::*;

use super::*;

/// A model of what Frappe's migrate stores for files in their order (import_file_by_path). Times are days.
#[derive(Default)]
pub(super) struct Database(pub(super) BTreeMap<String, RecordedDocType>);

impl Database {
    pub(super) fn sync<'a>(&mut self, files: impl IntoIterator<Item = &'a DoctypeFile>, today: u32) {
        for file in files {
            let before = self.0.get(&file.name);
            if before.is_some_and(|before| before.hash.as_ref() == Some(&file.hash)) {
                continue;
            }
            let is_latest = before.is_some_and(|before| file.modified <= before.modified);
            let modified = if is_latest { day(today) } else { file.modified.clone() };
            self.0.insert(file.name.clone(), RecordedDocType { hash: Some(file.hash.clone()), modified });
        }
    }

    fn ages(&self, files: &[DoctypeFile]) -> Vec<(String, Age)> {
        let (changes, _) = changes(files.iter().cloned(), &self.0);
        changes.into_iter().map(|change| (change.name, change.age)).collect()
    }
}

pub(super) fn day(number: u32) -> String {
    format!("2024-{:02}-{:02} 10:00:00.000000", 1 + number / 28, 1 + number % 28)
}

/// DocType `name` of `app`, as written on that day.
fn file(app: usize, name: usize, written: u32) -> DoctypeFile {
    let (name, hash) = (format!("DocType {name}"), format!("{app} {name} {written}"));
    DoctypeFile { name, hash, modified: day(written), is_imported: true }
}

/// Apps in the order of their installation, each with some of five DocTypes, none twice in one app.
fn apps() -> impl Strategy<Value = Vec<DoctypeFile>> {
    let app = proptest::collection::btree_map(0_usize..5, 0_u32..20, 0..5);
    proptest::collection::vec(app, 1..5).prop_map(|apps| {
        let files = apps.into_iter().enumerate().flat_map(|(app, doctypes)| {
            doctypes.into_iter().map(move |(name, written)| file(app, name, written)).collect::<Vec<_>>()
        });
        files.collect()
    })
}

/// Returns how often a DocType is defined.
fn count(files: &[DoctypeFile], name: &str) -> usize {
    files.iter().filter(|file| file.name == name).count()
}

proptest! {
    /// Adoption and a restore: there is no record, and the code is the one that made the tables.
    #[test]
    fn nothing_differs_from_the_code_that_migrated_last(files in apps(), migrations in 1_u32..4) {
        let mut database = Database::default();
        for at in 0..migrations {
            database.sync(&files, 30 + at);
        }
        prop_assert_eq!(database.ages(&files), vec![]);
    }

    /// After a kill at any point, no DocType appears to be newer than the code.
    #[test]
    fn an_interrupted_migrate_leaves_nothing_newer(files in apps(), cut in 0_usize..25) {
        let mut database = Database::default();
        database.sync(&files, 30);
        database.sync(files.iter().take(cut), 31);
        let ages = database.ages(&files);
        prop_assert!(ages.iter().all(|(_, age)| *age == Age::OfAnotherApp), "{:?}", ages);
    }

    /// The code that migrated last had changed one file of this older code.
    #[test]
    fn older_code_is_never_classified_as_newer(files in apps(), which in any::<prop::sample::Index>()) {
        prop_assume!(!files.is_empty());
        let at = which.index(files.len());
        let mut newer = files.clone();
        newer[at] = DoctypeFile { hash: "newer".into(), modified: day(29), ..newer[at].clone() };
        let mut database = Database::default();
        database.sync(&files, 25);
        database.sync(&newer, 30);
        let name = &newer[at].name;
        let ages = database.ages(&files);
        let counts = newer.iter().rposition(|file| file.name == *name) == Some(at);
        let expected = match (counts, count(&files, name)) {
            (false, _) => vec![],
            (true, 1) => vec![(name.clone(), Age::Older)],
            (true, _) => vec![(name.clone(), Age::Same)],
        };
        prop_assert_eq!(ages, expected);
    }

    /// The reverse: a file that was written after the last migrate is newer, in however many apps the DocType is
    /// defined.
    #[test]
    fn newer_code_is_classified_as_newer(files in apps(), which in any::<prop::sample::Index>()) {
        prop_assume!(!files.is_empty());
        let at = which.index(files.len());
        let mut newer = files.clone();
        newer[at] = DoctypeFile { hash: "newer".into(), modified: day(40), ..newer[at].clone() };
        let mut database = Database::default();
        database.sync(&files, 30);
        database.sync(&files, 31);
        let name = &newer[at].name;
        let counts = newer.iter().rposition(|file| file.name == *name) == Some(at);
        let expected = if counts { vec![(name.clone(), Age::Newer)] } else { vec![] };
        prop_assert_eq!(database.ages(&newer), expected);
    }
}

#[test]
fn the_last_app_decides_for_a_doctype_of_two_apps() {
    let (of_frappe, of_erpnext) = (file(0, 1, 5), file(1, 1, 9));
    let both = [of_frappe.clone(), of_erpnext.clone()];
    let mut database = Database::default();
    database.sync(&both, 30);
    database.sync(&both, 31);
    assert_eq!(database.ages(&both), []);
    // ERPNext no longer defines it: Frappe's file is older than the time of the last migrate.
    assert_eq!(database.ages(&both[..1]), [("DocType 1".into(), Age::Older)]);
    database.sync(&both[..1], 32);
    assert_eq!(database.ages(&both), [("DocType 1".into(), Age::OfAnotherApp)], "interrupted, or reloaded");
    assert_eq!(database.ages(&[file(2, 2, 1)]), [("DocType 2".into(), Age::New)]);
}

#[test]
fn files_are_read_as_migrate_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let doctype =
        |name: &str| format!(r#"{{"doctype": "DocType", "name": "{name}", "modified": "2024-01-02"}}"#);
    write("modules.txt", "Second Part\nfirst-part\n\n");
    write("first_part/doctype/card/card.json", &doctype("Card"));
    write("second_part/doctype/card/card.json", &doctype("Card of the second"));
    write("given_up/doctype/note/note.json", &doctype("Note"));
    write("first_part/doctype/broken/broken.json", "{");
    write("first_part/doctype/page/page.json", r#"{"doctype": "Page", "name": "page"}"#);
    let found = read_files(folder.path());
    let names: Vec<(&str, bool)> = found.iter().map(|file| (file.name.as_str(), file.is_imported)).collect();
    assert_eq!(names, [("Note", false), ("Card of the second", true), ("Card", true)]);
    assert_eq!(found[2].hash, hex(&Md5::digest(doctype("Card"))));
    let (changes, known) = changes(found, &BTreeMap::new());
    assert_eq!(changes.len(), 2, "files of unlisted modules are never imported");
    assert!(known.contains("Note"), "and it is no orphan: its controller exists");
}

#[test]
fn times_are_compared_to_the_second() {
    assert_eq!(age("2024-01-31 10:00:00.123456", "2024-01-31T10:00:00"), Age::Same);
    assert_eq!(age("2024-01-31 10:00:01", "2024-01-31 10:00:00.999999"), Age::Newer);
    assert_eq!(age("2024-01-30 10:00:00", "2024-01-31 10:00:00"), Age::Older);
    assert_eq!(age("", "2024-01-31 10:00:00"), Age::Same);
}
