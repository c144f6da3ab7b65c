//! Collects the evidence for `relation` from the code and from Frappe's own tables.

mod doctypes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tokio_postgres::Client;

use crate::code::ancestry::{self, Descent};
use crate::code::relation::{AppEvidence, Evidence};
use crate::code::version::Version;
use crate::code::{App, Code, baked};
use crate::frappe::{self, installed_apps, patches};
use crate::outcome::{BUG, Fault, Result};
use crate::postgres::sql::sql_fault;
use crate::record::migrations::Released;
use crate::supervise::process::Processes;

/// Returns the installed apps that this pod lacks.
pub fn missing(code: &Code, installed: &[String]) -> Vec<String> {
    installed.iter().filter(|app| !code.apps.contains_key(*app)).cloned().collect()
}

/// Collects everything that shows what migrate would do here. `recorded` has the versions of the last migration, for
/// apps whose version Frappe has not recorded.
pub async fn collect(
    client: &Client,
    code: &Code,
    installed: &[String],
    recorded: &BTreeMap<String, Released>,
) -> Result<Evidence> {
    let of = |(name, app): (&String, &Released)| Some((name.clone(), app.version.clone()?));
    let mut versions: BTreeMap<String, String> = recorded.iter().filter_map(of).collect();
    versions.extend(
        installed_apps::versions(client).await.map_err(sql_fault("cannot read Installed Application"))?,
    );
    let logged = patches::logged(client).await.map_err(sql_fault("cannot read Patch Log"))?;
    let in_database = frappe::doctypes::recorded(client).await.map_err(sql_fault("cannot read DocType"))?;
    let lacks_doctypes_of_15 = !frappe::doctypes::SINCE_15.iter().any(|name| in_database.contains_key(*name));
    let packages: Vec<(String, PathBuf)> = installed
        .iter()
        .filter_map(|name| Some((name.clone(), code.apps.get(name)?.package.clone())))
        .collect();
    let (of_code, in_code) = (code.clone(), in_database.clone());
    let read = tokio::task::spawn_blocking(move || {
        let apps = packages.iter().map(|(name, package)| (name.clone(), patches::read(package)));
        let files = packages.iter().flat_map(|(_, package)| doctypes::read_files(package));
        (apps.collect::<Vec<_>>(), doctypes::changes(files, &in_code))
    });
    let (patches, (changed, known)) =
        read.await.map_err(|error| Fault::new(BUG, format!("reading the apps: {error}"), "report this"))?;
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
    let has_doctypes_of_15 = frappe::doctypes::SINCE_15.iter().any(|name| known.contains(*name));
    let orphans = in_database.into_keys().filter(|name| !known.contains(name)).collect();
    Ok(Evidence {
        fingerprint: code.fingerprint(installed),
        missing: missing(code, installed),
        is_of_frappe_14: has_doctypes_of_15 && lacks_doctypes_of_15,
        apps: apps.collect(),
        orphans,
        doctypes: changed,
        ..Evidence::default()
    })
}

/// Compares the app's commit with the recorded one, if its repository or its bundle knows both.
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
    ancestry::of_repository(processes, package.parent()?, commit.as_deref()?, before).await
}
