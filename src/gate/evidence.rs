//! Looks at the code and at Frappe's own tables, for `relation` to judge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde::Deserialize;
use tokio_postgres::Client;

use super::ancestry::{self, Descent};
use super::code::{App, Code, Released, hex};
use super::patches;
use super::relation::{Age, AppEvidence, DocTypeChange, Evidence};
use super::version::Version;
use crate::bootstrap::sql::told;
use crate::outcome::{BUG, Fault, Result};
use crate::supervise::process::Processes;

/// The apps that the database has installed, in order (frappe.get_installed_apps).
pub async fn installed_apps(client: &Client) -> Result<Vec<String>> {
    let sql = r#"SELECT defvalue FROM public."tabDefaultValue" WHERE parent = '__global' AND defkey = 'installed_apps'"#;
    let row = client.query_opt(sql, &[]).await.map_err(told("cannot read the installed apps"))?;
    let text: Option<String> = row.and_then(|row| row.get(0));
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Installed apps that this pod does not have.
pub fn missing(code: &Code, installed: &[String]) -> Vec<String> {
    installed.iter().filter(|app| !code.apps.contains_key(*app)).cloned().collect()
}

/// Everything that can be seen of what migrate would do here. `recorded` has the versions of the last
/// migration, for where Frappe does not tell.
pub async fn look(
    client: &Client,
    code: &Code,
    installed: &[String],
    recorded: &BTreeMap<String, Released>,
) -> Result<Evidence> {
    let of = |(name, app): (&String, &Released)| Some((name.clone(), app.version.clone()?));
    let mut versions: BTreeMap<String, String> = recorded.iter().filter_map(of).collect();
    versions.extend(self::versions(client).await?);
    let logged = logged_patches(client).await?;
    let in_database = doctypes(client).await?;
    let packages: Vec<(String, PathBuf)> = installed
        .iter()
        .filter_map(|name| Some((name.clone(), code.apps.get(name)?.package.clone())))
        .collect();
    let (of_code, in_code) = (code.clone(), in_database.clone());
    let read = tokio::task::spawn_blocking(move || {
        let apps = packages.iter().map(|(name, package)| (name.clone(), patches::read(package)));
        let files = packages.iter().flat_map(|(_, package)| doctype_files(package));
        (apps.collect::<Vec<_>>(), changes(files, &in_code))
    });
    let (patches, (doctypes, known)) = read
        .await
        .map_err(|error| Fault::new(BUG, format!("looking at the apps: {error}"), "report this"))?;
    let apps = patches.into_iter().map(|(name, patches)| {
        let prefix = format!("{name}.");
        let of_code_names: BTreeSet<String> = patches.iter().map(|patch| patches::logged_as(patch)).collect();
        AppEvidence {
            code: of_code.apps.get(&name).and_then(|app| app.version.clone()),
            installed: versions.get(&name).and_then(|text| Version::parse(text)),
            lacks_patches: logged
                .iter()
                .any(|patch| patch.starts_with(&prefix) && !of_code_names.contains(patch)),
            pending: patches
                .into_iter()
                .filter(|patch| !logged.contains(&patches::logged_as(patch)))
                .collect(),
            descent: None,
            name,
        }
    });
    let orphans = in_database.into_keys().filter(|name| !known.contains(name)).collect();
    Ok(Evidence {
        fingerprint: code.fingerprint(installed),
        missing: missing(code, installed),
        apps: apps.collect(),
        orphans,
        doctypes,
        ..Evidence::default()
    })
}

/// What the app's own history says, where its repository knows both commits.
pub async fn descent(
    processes: &Processes,
    code: &Code,
    app: &str,
    recorded: &BTreeMap<String, Released>,
) -> Option<Descent> {
    let App { package, commit, .. } = code.apps.get(app)?;
    let before = recorded.get(app)?.commit.as_deref()?;
    ancestry::look(processes, package.parent()?, commit.as_deref()?, before).await
}

async fn versions(client: &Client) -> Result<BTreeMap<String, String>> {
    let sql = r#"SELECT app_name, coalesce(app_version, '') FROM public."tabInstalled Application""#;
    let rows = client.query(sql, &[]).await.map_err(told("cannot read Installed Application"))?;
    Ok(rows.iter().filter_map(|row| Some((row.get::<_, Option<String>>(0)?, row.get(1)))).collect())
}

/// A skipped patch is run again, and a version without that column skips none.
async fn logged_patches(client: &Client) -> Result<BTreeSet<String>> {
    let sql = r#"SELECT patch FROM public."tabPatch Log" AS log
                 WHERE patch IS NOT NULL AND coalesce(to_jsonb(log) ->> 'skipped', '0') = '0'"#;
    let rows = client.query(sql, &[]).await.map_err(told("cannot read Patch Log"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What the database knows of a DocType that comes from code: the digest of its file, and its time.
#[derive(Clone)]
struct Known {
    hash: Option<String>,
    modified: String,
}

async fn doctypes(client: &Client) -> Result<BTreeMap<String, Known>> {
    let sql = r#"SELECT name, to_jsonb(t) ->> 'migration_hash', coalesce(modified::text, '')
                 FROM public."tabDocType" AS t WHERE coalesce((to_jsonb(t) ->> 'custom')::int, 0) = 0"#;
    let rows = client.query(sql, &[]).await.map_err(told("cannot read DocType"))?;
    let known = |row: &tokio_postgres::Row| {
        let hash: Option<String> = row.get(1);
        (row.get(0), Known { hash: hash.filter(|hash| !hash.is_empty()), modified: row.get(2) })
    };
    Ok(rows.iter().map(known).collect())
}

/// `MODULE/doctype/NAME/NAME.json` of every module.
fn doctype_files(package: &Path) -> Vec<PathBuf> {
    let folders = |path: &Path| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    folders(package)
        .iter()
        .flat_map(|module| folders(&module.join("doctype")))
        .filter_map(|folder| {
            let file = folder.join(folder.file_name()?).with_extension("json");
            file.exists().then_some(file)
        })
        .collect()
}

#[derive(Deserialize)]
struct DocType {
    name: String,
    doctype: Option<String>,
    modified: Option<String>,
}

/// Which of the files migrate would import (frappe/modules/import_file.py), and the names of all.
fn changes(
    files: impl Iterator<Item = PathBuf>,
    known: &BTreeMap<String, Known>,
) -> (Vec<DocTypeChange>, BTreeSet<String>) {
    let (mut changes, mut names) = (Vec::new(), BTreeSet::new());
    for path in files {
        let Ok(content) = std::fs::read(&path) else { continue };
        let Ok(file) = serde_json::from_slice::<DocType>(&content) else { continue };
        if file.doctype.is_some_and(|doctype| doctype != "DocType") {
            continue;
        }
        let age = match known.get(&file.name) {
            None => Some(Age::New),
            Some(known) if known.hash.as_deref() == Some(&hex(&Md5::digest(&content))) => None,
            Some(known) => Some(age(file.modified.as_deref().unwrap_or_default(), &known.modified)),
        };
        if let Some(age) = age {
            changes.push(DocTypeChange { name: file.name.clone(), age });
        }
        names.insert(file.name);
    }
    (changes, names)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_compared_as_migrate_does() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, modified: &str| {
            let path = folder.path().join(format!("core/doctype/{name}/{name}.json"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let content = format!(r#"{{"doctype": "DocType", "name": "{name}", "modified": "{modified}"}}"#);
            std::fs::write(path, &content).unwrap();
            hex(&Md5::digest(content))
        };
        let hash = write("same", "2024-01-01 00:00:00.000000");
        write("newer", "2024-01-03 00:00:00.000000");
        write("older", "2024-01-01 00:00:00.000000");
        write("new", "2024-01-01 00:00:00.000000");
        let known = |hash: &str| Known { hash: Some(hash.into()), modified: "2024-01-02 00:00:00".into() };
        let database = [("same", known(&hash)), ("newer", known("x")), ("older", known("x"))];
        let database = database.into_iter().map(|(name, known)| (name.to_string(), known)).collect();
        let (mut changes, names) = changes(doctype_files(folder.path()).into_iter(), &database);
        changes.sort_by(|a, b| a.name.cmp(&b.name));
        let ages: Vec<_> = changes.iter().map(|change| (change.name.as_str(), change.age)).collect();
        assert_eq!(ages, [("new", Age::New), ("newer", Age::Newer), ("older", Age::Older)]);
        assert_eq!(names.len(), 4);
    }
}
