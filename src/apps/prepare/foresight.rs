//! Foresees what [`prepare`](super::prepare) would do, for `plan`. No repository is asked, and nothing is written.

use super::entry::{Entry, Place, Source, refuse_duplicates_and_cycles};
use super::pins_before;
use crate::apps::bundle_store::{BundleStore, Store};
use crate::apps::history::History;
use crate::apps::pins::{Commit, Pins};
use crate::bench::Bench;
use crate::config::Config;
use crate::outcome::Result;

/// A wanted app, and the work until its code is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The name in messages and in the record of durations.
    pub label: String,
    /// The package, or its probable name if the app was never fetched.
    pub app: String,
    /// `branch main of https://…`, without any login.
    pub origin: String,
    pub work: Work,
    /// True if the app is to be installed on the site.
    pub installs: bool,
}

/// The work until an app's code is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The code is there.
    None,
    /// The source is there, in a bundle for another bench or in one that was not built.
    Publish,
    FetchAndPublish {
        /// The branch is resolved again: nothing is fetched if its commit is published already.
        if_moved: bool,
    },
}

/// Foresees the work on every wanted app, in the order of the list.
///
/// # Errors
/// 78 and 77 if pins or bundles cannot be read, or if the list contradicts the image.
pub fn foresee(config: &Config, bench: &Bench) -> Result<Vec<Foreseen>> {
    if config.apps.is_empty() {
        return Ok(Vec::new());
    }
    let store = BundleStore::open(config, bench, Store::Volume)?;
    let before = pins_before(
        &store.cauldron,
        Pins::read(&store.pins_path())?.as_ref(),
        &History::read(&store.cauldron)?,
    )?;
    let moves = !before.has_applied_update(config.apps_update.as_ref());
    let entries = config.apps.iter().map(|app| Entry::locate(app, &store, &before, moves));
    let entries = entries.collect::<Result<Vec<_>>>()?;
    refuse_duplicates_and_cycles(&entries, &store.image)?;
    let foreseen = entries.iter().map(|entry| Foreseen {
        label: entry.app.label(),
        app: package(entry, &store, &before),
        origin: format!("{} of {}", entry.app.reference(), entry.app.source()),
        work: work(entry, &store, &before),
        installs: entry.app.installs(),
    });
    Ok(foreseen.collect())
}

/// The app's package: that of its code, else that of an earlier commit, else its probable name.
fn package(entry: &Entry<'_>, store: &BundleStore<'_>, before: &Pins) -> String {
    let known = entry.known(&store.image).map(|(app, _)| app.to_string());
    let pinned = || before.pin_of_source(entry.app).map(|pin| pin.app.clone());
    known.or_else(pinned).unwrap_or_else(|| entry.app.probable_package())
}

/// The work of [`Entry::fetch`] and [`Entry::published`].
fn work(entry: &Entry<'_>, store: &BundleStore<'_>, before: &Pins) -> Work {
    match entry.source {
        Source::Image(_) | Source::Bundle(_) | Source::Fetched(..) => return Work::None,
        Source::Unbuilt(_) | Source::Absent => {}
    }
    let commit = match entry.pinned.map(|pin| &pin.commit) {
        Some(Commit::At(commit)) => Some(commit),
        _ => entry.app.commit.as_ref(),
    };
    match commit.map(|commit| entry.place(store, commit)) {
        Some(Place::Bundle(_)) => Work::None,
        Some(Place::Source(_)) => Work::Publish,
        Some(Place::Repository) => Work::FetchAndPublish { if_moved: false },
        None => Work::FetchAndPublish { if_moved: before.pin_of_source(entry.app).is_some() },
    }
}
