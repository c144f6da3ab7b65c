//! Which DocTypes migrate would import, and whether their files are newer or older than what the database has.
//!
//! Counted as Frappe counts them (frappe/model/sync.py, frappe/modules/import_file.py): app by app in the order in which
//! they are installed, module by module of modules.txt, and a file whose digest is not the stored one is imported,
//! whatever its time. So of two files that define one DocType the later one is what a migrate leaves, and the earlier
//! one differs from the database for ever (Print Heading is in Frappe and in ERPNext 15): it says nothing.
//!
//! A file that differs but is not newer than the database's time sets that time to *now*. A DocType of two files gets
//! that at every migrate, so its time says nothing about the code, unless the file is newer even than that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde::Deserialize;

use crate::code::relation::{Age, DocTypeChange};
use crate::fingerprint::hex;
use crate::frappe::doctypes::Known;

/// A file that defines a DocType.
#[derive(Clone, Debug)]
pub struct Defined {
    pub name: String,
    /// MD5, as Frappe keeps it.
    pub hash: String,
    pub modified: String,
    /// Of a module that modules.txt lists: no other is imported.
    pub is_imported: bool,
}

/// Every DocType of an app, in the order in which they are imported; those that are not come first.
pub fn defined(package: &Path) -> Vec<Defined> {
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

/// What migrate would import of all files in their order, and the names of all DocTypes that the code knows.
pub fn changes(
    files: impl IntoIterator<Item = Defined>,
    known: &BTreeMap<String, Known>,
) -> (Vec<DocTypeChange>, BTreeSet<String>) {
    let (mut by_name, mut names): (BTreeMap<String, Vec<Defined>>, _) = (BTreeMap::new(), BTreeSet::new());
    for file in files {
        names.insert(file.name.clone());
        if file.is_imported {
            by_name.entry(file.name.clone()).or_default().push(file);
        }
    }
    let changed = |(name, files): (String, Vec<Defined>)| {
        let age = change(&files, known.get(&name))?;
        Some(DocTypeChange { name, age })
    };
    (by_name.into_iter().filter_map(changed).collect(), names)
}

/// One DocType, by every file that defines it; none where a migrate would leave it as it is.
fn change(files: &[Defined], known: Option<&Known>) -> Option<Age> {
    let last = files.last()?;
    let Some(known) = known else { return Some(Age::New) };
    let is_stored = |file: &Defined| known.hash.as_ref() == Some(&file.hash);
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

/// Times of Frappe's and of PostgreSQL's, to the second: `2024-01-31 10:00:00.123456`.
fn age(of_file: &str, of_database: &str) -> Age {
    let to_second = |text: &str| text.get(..19).map(|text| text.replace('T', " "));
    match (to_second(of_file), to_second(of_database)) {
        (Some(file), Some(database)) if file > database => Age::Newer,
        (Some(file), Some(database)) if file < database => Age::Older,
        _ => Age::Same,
    }
}

/// Folders of the modules that the app lists (frappe.scrub).
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

/// `doctype/NAME/NAME.json` of a module.
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

fn read(path: &Path, is_imported: bool) -> Option<Defined> {
    let content = fs::read(path).ok()?;
    let file: File = serde_json::from_slice(&content).ok()?;
    let is_doctype = file.doctype.is_none_or(|doctype| doctype == "DocType");
    is_doctype.then(|| Defined {
        name: file.name,
        hash: hex(&Md5::digest(&content)),
        modified: file.modified.unwrap_or_default(),
        is_imported,
    })
}

#[cfg(test)]
mod tests;
