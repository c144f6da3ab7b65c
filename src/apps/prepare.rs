//! From the wanted list to the code of every app.
//!
//! ```text
//!   entry ─▶ the image satisfies it ────────────────────────────▶ the image's own
//!     └────▶ pinned ─┬─▶ its bundle is there ───────────────────▶ that
//!            or resolved ─▶ fetched ─▶ published ───────────────▶ that, pinned when all of them are there
//! ```
//!
//! All that is to be fetched is fetched before anything of it is completed and published: apps that require each other
//! in a circle are refused as soon as that is known, which is before the first fetch where their code is there.
//!
//! A branch moves only where CAULDRON_APPS_UPDATE has a value that has not moved it yet. With pins and
//! bundles on the volume nothing is asked of any repository.

mod entry;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use self::entry::Entry;
use super::bundle_store::{BundleStore, Store};
use super::collect::collect;
use super::history::History;
use super::order::{in_order, refuse_contradictions};
use super::pins::Pins;
use super::publish::Publisher;
use super::{AppCode, bundles_of};
use crate::bench::atomic_file::write_whole;
use crate::config::apps::OF_THE_IMAGE;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;

/// For the leader, under the lock: the code of every wanted app, in the order in which they depend on
/// each other. What is not pinned is resolved, what is pinned and not there is published.
///
/// # Errors
/// What kept an app from being published; the signal that asked for a stop. What runs is ended then, and
/// nothing half-made stays where anybody looks.
pub async fn prepare(pod: &Pod) -> Flow<Vec<AppCode>> {
    if pod.config.apps.is_empty() {
        return Ok(Vec::new());
    }
    let work = Preparation::new(pod, Store::Volume)?;
    let code = work.run().await?;
    collect(&work.store.bundles(), &History::read(&work.store.cauldron)?, SystemTime::now());
    Ok(code)
}

/// At image build time: the same, into a folder of the image. What `apps/` has already is left to it. The list stays in
/// the image, without any login, and is what its pods want where they are told nothing else.
///
/// # Errors
/// As [`prepare`].
pub async fn fetch(pod: &Pod) -> Flow<Vec<AppCode>> {
    let work = Preparation::new(pod, Store::Image)?;
    let code = work.run().await?;
    let list = work.store.cauldron.join(OF_THE_IMAGE);
    let mut text = serde_json::to_vec(&pod.config.apps).expect("the list is JSON");
    text.push(b'\n');
    write_whole(&list, &text, 0o644)
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
        let before = self.before(own.as_ref(), &history)?;
        let moves = !before.has_moved(config.apps_update.as_ref());
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

    /// Every entry with its code, or with its source that was fetched. Nothing is published yet.
    async fn fetched<'b>(&self, before: &'b Pins, moves: bool) -> Flow<Vec<Entry<'b>>>
    where
        'a: 'b,
    {
        let wanted = self.pod.config.apps.iter();
        let entries = wanted.map(|app| Entry::look(app, &self.store, before, moves));
        let mut entries = entries.collect::<Result<Vec<_>>>()?;
        entry::refuse_twice_and_circles(&entries, &self.store.image)?;
        let (mut git, versions) = (None, self.store.image.versions());
        let publisher = self.publisher(&versions);
        for at in 0..entries.len() {
            if entries[at].fetch(&self.store, &publisher, &mut git).await? {
                entry::refuse_twice_and_circles(&entries, &self.store.image)?;
            }
        }
        Ok(entries)
    }

    fn publisher<'b>(&'b self, baked: &'b BTreeMap<String, String>) -> Publisher<'b> {
        let (pod, python, bundles) = (self.pod, &self.store.python, self.store.bundles());
        Publisher { pod, python, bundles, baked }
    }

    /// The pins of this list, else those of the list before it: an entry that is still there keeps its own.
    fn before(&self, own: Option<&Pins>, history: &History) -> Result<Pins> {
        let cauldron = &self.store.cauldron;
        match (own, history.last_digest()) {
            (Some(own), _) => Ok(own.clone()),
            (None, Some(digest)) => Ok(Pins::read(&Pins::path(cauldron, digest))?.unwrap_or_default()),
            (None, None) => Ok(Pins::default()),
        }
    }

    fn record(&self, mut history: History, code: &[AppCode]) -> Result<()> {
        let bundles = self.store.bundles();
        let in_use = bundles_of(code).filter_map(|bundle| bundle.root.strip_prefix(&bundles).ok());
        let (in_use, digest) = (in_use.map(Path::to_path_buf).collect(), self.pod.config.apps.digest());
        history.record(&self.store.cauldron, &digest, in_use, SystemTime::now())
    }
}
