//! Turns the wanted list into the code of every app.
//!
//! ```text
//!   entry ─▶ the image satisfies it ────────────────────────────▶ the image's own code
//!     └────▶ pinned ─┬─▶ its bundle exists ─────────────────────▶ that bundle
//!            or resolved ─▶ fetched ─▶ published ───────────────▶ the new bundle, pinned after all are published
//! ```
//!
//! All apps are fetched before the first one is completed and published. Apps that require each other in a cycle are
//! refused as soon as this is known: before the first fetch, if their code exists already.
//!
//! A branch moves only if CAULDRON_APPS_UPDATE has a value that has not moved it yet. If all pins and bundles are on
//! the volume, no repository is contacted.

mod entry;
mod foresight;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use self::entry::Entry;
pub use self::foresight::{Foreseen, Work, foresee};
use super::bundle_store::{BundleStore, Store};
use super::collect::collect;
use super::history::History;
use super::order::{in_order, refuse_contradictions};
use super::pins::Pins;
use super::publish::Publisher;
use super::{AppCode, bundles_of};
use crate::bench::atomic_file::write_atomic;
use crate::bench::file_thread::on_file_thread;
use crate::config::apps::IMAGE_APP_LIST;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;

/// Returns the code of every wanted app, in the order of their dependencies. For the leader, under the lock. Resolves
/// entries that are not pinned, and publishes missing bundles.
///
/// # Errors
/// The reason why an app cannot be published; the stop signal. Running programs are then ended, and no incomplete
/// bundle is left in its final place.
pub async fn prepare(pod: &Pod) -> Flow<Vec<AppCode>> {
    if pod.config.apps.is_empty() {
        return Ok(Vec::new());
    }
    let work = Preparation::new(pod, Store::Volume)?;
    let code = work.run().await?;
    let (bundles, history) = (work.store.bundles(), History::read(&work.store.cauldron)?);
    on_file_thread(move || collect(&bundles, &history, SystemTime::now())).await?;
    Ok(code)
}

/// Does the same at image build time, into a folder of the image; apps that `apps/` already has are used from there.
/// The list is stored in the image without any login, as the default wanted list of its pods.
///
/// # Errors
/// As [`prepare`].
pub async fn fetch(pod: &Pod) -> Flow<Vec<AppCode>> {
    let work = Preparation::new(pod, Store::Image)?;
    let code = work.run().await?;
    let list = work.store.cauldron.join(IMAGE_APP_LIST);
    let mut text = serde_json::to_vec(&pod.config.apps).expect("the list is JSON");
    text.push(b'\n');
    write_atomic(&list, &text, 0o644)
        .map_err(|error| Fault::file(format!("cannot write {}", list.display()), &error))?;
    Ok(code)
}

struct Preparation<'a> {
    pod: &'a Pod,
    store: BundleStore<'a>,
}

impl<'a> Preparation<'a> {
    fn new(pod: &'a Pod, store: Store) -> Result<Self> {
        Ok(Self { pod, store: BundleStore::open(&pod.config, &pod.bench, store)? })
    }

    async fn run(&self) -> Flow<Vec<AppCode>> {
        let (config, store) = (&self.pod.config, &self.store);
        let path = store.pins_path();
        let own = Pins::read(&path)?;
        let history = History::read(&store.cauldron)?;
        let before = pins_before(&store.cauldron, own.as_ref(), &history)?;
        let moves = !before.has_applied_update(config.apps_update.as_ref());
        let entries = self.fetched(&before, moves).await?;
        let mut pins = Pins { updates: before.updates.clone(), apps: Vec::new() };
        pins.updates.extend(config.apps_update.clone().filter(|_| moves));
        let mut code: Vec<AppCode> = Vec::new();
        let versions = store.image.versions();
        let publisher = self.publisher(&versions);
        for entry in entries {
            let (pin, one) = entry.published(store, &publisher, &code).await?;
            pins.apps.push(pin);
            code.push(one);
        }
        refuse_contradictions(&code)?;
        let ordered = in_order(code, &store.image)?;
        if own.as_ref() != Some(&pins) {
            pins.write(&path)?;
        }
        self.record(history, &ordered)?;
        Ok(ordered)
    }

    /// Every entry with its code, or with its fetched source. Nothing is published yet.
    async fn fetched<'b>(&self, before: &'b Pins, moves: bool) -> Flow<Vec<Entry<'b>>>
    where
        'a: 'b,
    {
        let wanted = self.pod.config.apps.iter();
        let entries = wanted.map(|app| Entry::locate(app, &self.store, before, moves));
        let mut entries = entries.collect::<Result<Vec<_>>>()?;
        entry::refuse_duplicates_and_cycles(&entries, &self.store.image)?;
        let (mut git, versions) = (None, self.store.image.versions());
        let publisher = self.publisher(&versions);
        for at in 0..entries.len() {
            if entries[at].fetch(&self.store, &publisher, &mut git).await? {
                entry::refuse_duplicates_and_cycles(&entries, &self.store.image)?;
            }
        }
        Ok(entries)
    }

    fn publisher<'b>(&'b self, baked: &'b BTreeMap<String, String>) -> Publisher<'b> {
        let (pod, python, bundles) = (self.pod, &self.store.python, self.store.bundles());
        Publisher { pod, python, bundles, baked, site: self.store.site() }
    }

    fn record(&self, mut history: History, code: &[AppCode]) -> Result<()> {
        let bundles = self.store.bundles();
        let in_use = bundles_of(code).filter_map(|bundle| bundle.root.strip_prefix(&bundles).ok());
        let (in_use, digest) = (in_use.map(Path::to_path_buf).collect(), self.pod.config.apps.digest());
        history.record(&self.store.cauldron, &digest, in_use, SystemTime::now())
    }
}

/// The pins of this list, or else of the previous list, so that an unchanged entry keeps its pin.
fn pins_before(cauldron: &Path, own: Option<&Pins>, history: &History) -> Result<Pins> {
    match (own, history.last_digest()) {
        (Some(own), _) => Ok(own.clone()),
        (None, Some(digest)) => Ok(Pins::read(&Pins::path(cauldron, digest))?.unwrap_or_default()),
        (None, None) => Ok(Pins::default()),
    }
}
