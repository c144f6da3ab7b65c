//! Finds the DocTypes that migrate would import, and whether their files are newer or older than the database.
//!
//! The rules are Frappe's (frappe/model/sync.py, frappe/modules/import_file.py): apps are imported in the order of
//! their installation, modules in the order of modules.txt, and a file is imported if its digest differs from the
//! stored one, whatever its time. So if two files define one DocType, migrate leaves the later one in the database, and
//! the earlier one always differs from it (Print Heading is in Frappe and in ERPNext 15): that difference proves
//! nothing.
//!
//! Importing a file that differs but is not newer than the database's time sets that time to *now*. For a DocType with
//! two files this happens at every migrate, so its time says nothing about the code unless the file is even newer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde::Deserialize;

use crate::code::relation::{Age, DocTypeChange};
use crate::fingerprint::hex;
use crate::frappe::doctypes::RecordedDocType;

/// A file that defines a DocType.
#[derive(Clone, Debug)]
pub struct DoctypeFile {
    pub name: String,
    /// MD5, as stored by Frappe.
    pub hash: String,
    pub modified: String,
    /// True if modules.txt lists its module: files of other modules are not imported.
    pub is_imported: bool,
}

/// Reads every DocType file of an app in the order of import; files that are not imported come first.
pub fn read_files(package: &Path) -> Vec<DoctypeFile> {
    let listed = modules(package);
    let mut others: Vec<String> = folders(package);
    others.retain(|module| !listed.contains(module));
    let of = |module: &String, is_imported: bool| {
        let files = doctype_files(&package.join(module));
        files.into_iter().filter_map(move |path| read(&path, is_imported)).collect::<Vec<_>>()
    };
    let others = others.iter().flat_map(|module| of(module, false));
    others.chain(listed.iter().flat_map(|module| of(module, true))).collect()
}

/// Returns the DocTypes that migrate would import from all files in their order, and the names of all DocTypes in the
/// code.
pub fn changes(
    files: impl IntoIterator<Item = DoctypeFile>,
    known: &BTreeMap<String, RecordedDocType>,
) -> (Vec<DocTypeChange>, BTreeSet<String>) {
    let (mut by_name, mut names): (BTreeMap<String, Vec<DoctypeFile>>, _) =
        (BTreeMap::new(), BTreeSet::new());
    for file in files {
        names.insert(file.name.clone());
        if file.is_imported {
            by_name.entry(file.name.clone()).or_default().push(file);
        }
    }
    let changed = |(name, files): (String, Vec<DoctypeFile>)| {
        let age = change(&files, known.get(&name))?;
        Some(DocTypeChange { name, age })
    };
    (by_name.into_iter().filter_map(changed).collect(), names)
}

/// Classifies one DocType by all files that define it; None if migrate would leave it unchanged.
fn change(files: &[DoctypeFile], known: Option<&RecordedDocType>) -> Option<Age> {
    let last = files.last()?;
    let Some(known) = known else { return Some(Age::New) };
    let is_stored = |file: &DoctypeFile| known.hash.as_ref() == Some(&file.hash);
    if is_stored(last) {
        return None;
    }
    if files.iter().any(is_stored) {
        return Some(Age::OfAnotherApp);
    }
    match age(&last.modified, &known.modified) {
        Age::Older if files.len() > 1 => Some(Age::Same),
        age => Some(age),
    }
}

/// Compares the times of Frappe and PostgreSQL, to the second: `2024-01-31 10:00:00.123456`.
fn age(of_file: &str, of_database: &str) -> Age {
    let to_second = |text: &str| text.get(..19).map(|text| text.replace('T', " "));
    match (to_second(of_file), to_second(of_database)) {
        (Some(file), Some(database)) if file > database => Age::Newer,
        (Some(file), Some(database)) if file < database => Age::Older,
        _ => Age::Same,
    }
}

/// Returns the folders of the modules that the app lists (frappe.scrub).
fn modules(package: &Path) -> Vec<String> {
    let text = fs::read_to_string(package.join("modules.txt")).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.replace([' ', '-'], "_").to_lowercase()).collect()
}

fn folders(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Returns the files `doctype/NAME/NAME.json` of a module.
fn doctype_files(module: &Path) -> Vec<PathBuf> {
    let folder = module.join("doctype");
    let file = |name: String| folder.join(&name).join(name + ".json");
    folders(&folder).into_iter().map(file).filter(|path| path.exists()).collect()
}

#[derive(Deserialize)]
struct File {
    name: String,
    doctype: Option<String>,
    modified: Option<String>,
}

fn read(path: &Path, is_imported: bool) -> Option<DoctypeFile> {
    let content = fs::read(path).ok()?;
    let file: File = serde_json::from_slice(&content).ok()?;
    let is_doctype = file.doctype.is_none_or(|doctype| doctype == "DocType");
    is_doctype.then(|| DoctypeFile {
        name: file.name,
        hash: hex(&Md5::digest(&content)),
        modified: file.modified.unwrap_or_default(),
        is_imported,
    })
}

#[cfg(test)]
mod evolution;
#[cfg(test)]
mod tests;
