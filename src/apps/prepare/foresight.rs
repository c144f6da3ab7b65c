//! Foresees what [`prepare`](super::prepare) would do, for `plan`. No repository is asked, and nothing is written.

use super::entry::{Entry, refuse_duplicates_and_cycles};
use super::pins_before;
use crate::apps::bundle_store::{BundleStore, Store};
use crate::apps::history::History;
use crate::apps::pins::Pins;
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
    let foreseen = config.apps.iter().zip(&entries).map(|(app, entry)| Foreseen {
        label: app.label(),
        app: entry.package(&store.image),
        origin: format!("{} of {}", app.reference(), app.source()),
        work: entry.work(&store),
        installs: app.installs(),
    });
    Ok(foreseen.collect())
}
