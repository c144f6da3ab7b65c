//! Looks at the code and at Frappe's own tables, for `relation` to judge.

mod doctypes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tokio_postgres::Client;

use super::patches;
use crate::code::ancestry::{self, Descent};
use crate::code::relation::{AppEvidence, Evidence};
use crate::code::version::Version;
use crate::code::{App, Code, baked};
use crate::outcome::{BUG, Fault, Result};
use crate::postgres::sql::told;
use crate::record::migrations::Released;
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
    let in_database = doctypes::known(client).await?;
    let packages: Vec<(String, PathBuf)> = installed
        .iter()
        .filter_map(|name| Some((name.clone(), code.apps.get(name)?.package.clone())))
        .collect();
    let (of_code, in_code) = (code.clone(), in_database.clone());
    let read = tokio::task::spawn_blocking(move || {
        let apps = packages.iter().map(|(name, package)| (name.clone(), patches::read(package)));
        let files = packages.iter().flat_map(|(_, package)| doctypes::defined(package));
        (apps.collect::<Vec<_>>(), doctypes::changes(files, &in_code))
    });
    let (patches, (changed, known)) = read
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
        doctypes: changed,
        ..Evidence::default()
    })
}

/// What the app's own history says, where its repository or its bundle knows both commits.
pub async fn descent(
    processes: &Processes,
    code: &Code,
    app: &str,
    recorded: &BTreeMap<String, Released>,
) -> Option<Descent> {
    let App { package, commit, .. } = code.apps.get(app)?;
    let before = recorded.get(app)?.commit.as_deref()?;
    if let Some(bundle) = baked::bundle(package) {
        return ancestry::of_bundle(&bundle.manifest, before);
    }
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
