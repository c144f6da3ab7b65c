//! `apps list`: wanted, pinned, baked and installed apps side by side.

use std::collections::BTreeMap;

use serde::Serialize;

use super::AppCode;
use super::bundle_store::{BundleStore, Store};
use super::pins::{Commit, Pin, Pins};
use crate::bench::Bench;
use crate::config::Config;
use crate::config::apps::AppSpec;
use crate::outcome::Result;

/// The report; printed as one JSON object or as a table.
#[derive(Debug, Serialize)]
pub struct Report {
    apps: Vec<Row>,
    /// The reason why `installed` is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    installed_error: Option<String>,
}

/// One app.
#[derive(Debug, Default, Serialize)]
struct Row {
    app: String,
    /// `branch main`, `tag v1`, `commit …`, `HEAD`; None if the app is not wanted.
    wanted: Option<String>,
    source: Option<String>,
    /// The commit, or `baked`; None if the entry was not resolved yet.
    pinned: Option<String>,
    /// The folder of the bundle.
    bundle: Option<String>,
    /// The version in the image's apps/.
    baked: Option<String>,
    /// The version of the code that this pod would use.
    version: Option<String>,
    /// None if the site's list could not be read.
    installed: Option<bool>,
}

/// Makes the report. `installed` are the site's apps, or the reason why they are not known.
///
/// # Errors
/// 78 and 77 if pins or bundles cannot be read.
pub fn list(
    config: &Config,
    bench: &Bench,
    installed: std::result::Result<Vec<String>, String>,
) -> Result<Report> {
    let store = BundleStore::open(config, bench, Store::Volume)?;
    let pins = Pins::read(&store.pins_path())?.unwrap_or_default();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut order = Vec::new();
    for app in config.apps.iter() {
        let row = wanted_row(&store, app, pins.pin_of(app));
        order.push(row.app.clone());
        rows.insert(row.app.clone(), row);
    }
    for app in store.image.apps.keys().chain(installed.iter().flatten()) {
        if !rows.contains_key(app) {
            order.push(app.clone());
            rows.insert(app.clone(), Row { app: app.clone(), ..Row::default() });
        }
    }
    for row in rows.values_mut() {
        row.baked = store.image.apps.get(&row.app).map(|baked| baked.version.clone());
        row.version = row.version.take().or_else(|| row.baked.clone());
        row.installed = installed.as_ref().ok().map(|apps| apps.contains(&row.app));
    }
    let apps = order.iter().filter_map(|app| rows.remove(app)).collect();
    Ok(Report { apps, installed_error: installed.err() })
}

fn wanted_row(store: &BundleStore<'_>, app: &AppSpec, pin: Option<&Pin>) -> Row {
    let code =
        store.of_the_image(app).or_else(|| pin.and_then(|pin| store.bundle_of(pin)).map(AppCode::Bundle));
    let called = code.as_ref().map(AppCode::app).or(pin.map(|pin| pin.app.as_str()));
    let mut row = Row {
        app: called.map_or_else(|| app.label(), str::to_string),
        wanted: Some(app.reference()),
        source: Some(app.source()),
        pinned: pin.map(|pin| match &pin.commit {
            Commit::Baked => "baked".to_string(),
            Commit::At(commit) => commit.clone(),
        }),
        ..Row::default()
    };
    match code {
        Some(AppCode::Bundle(bundle)) => {
            row.version = Some(bundle.manifest.version);
            row.bundle = Some(bundle.root.display().to_string());
        }
        Some(AppCode::Baked { .. }) => row.pinned = Some("baked".into()),
        None => {}
    }
    row
}

impl Report {
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("a report is JSON")
    }

    /// The report as a table, with the reason if the installed apps are not known.
    pub fn text(&self) -> String {
        let head = ["app", "wanted", "pinned", "baked", "version", "installed"].map(String::from);
        let mut lines = vec![head];
        lines.extend(self.apps.iter().map(Row::cells));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            let cells: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        if let Some(error) = &self.installed_error {
            text.push_str(&format!("installed: not known: {error}\n"));
        }
        text
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        let short = |value: Option<&String>| value.map_or("-".into(), |text| text.chars().take(12).collect());
        let installed = match self.installed {
            Some(true) => "yes",
            Some(false) => "no",
            None => "?",
        };
        let pinned = short(self.pinned.as_ref());
        [
            self.app.clone(),
            word(&self.wanted),
            pinned,
            word(&self.baked),
            word(&self.version),
            installed.into(),
        ]
    }
}
