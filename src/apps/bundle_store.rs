//! Finds existing code: in the image, and on the volume by the pins. No program is run here.

use std::path::{Path, PathBuf};

use super::baked::Image;
use super::bundle::{self, Bundle};
use super::order::{in_order, refuse_contradictions};
use super::pins::{Commit, Pin, Pins};
use super::python::Python;
use super::{AppCode, assets};
use crate::bench::Bench;
use crate::config::Config;
use crate::config::apps::AppSpec;
use crate::outcome::{Fault, Result};
use crate::pod::Pod;

/// Returns the code of every wanted app, as the leader pinned it; None while it is not published yet. For followers;
/// takes milliseconds.
///
/// # Errors
/// 78 and 77 if pins or bundles cannot be read, or if a required app does not exist.
pub fn published_apps(pod: &Pod) -> Result<Option<Vec<AppCode>>> {
    published_apps_of(&pod.config, &pod.bench)
}

/// Like [`published_apps`], for callers without a [`Pod`].
///
/// # Errors
/// As [`published_apps`].
pub fn published_apps_of(config: &Config, bench: &Bench) -> Result<Option<Vec<AppCode>>> {
    if config.apps.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let store = BundleStore::open(config, bench, Store::Volume)?;
    let pins = Pins::read(&store.pins_path())?;
    let pins = pins.filter(|pins| pins.has_applied_update(config.apps_update.as_ref()));
    let find = |app: &AppSpec| {
        store.of_the_image(app).or_else(|| {
            let bundle = pins.as_ref()?.pin_of(app).and_then(|pin| store.bundle_of(pin))?;
            Some(AppCode::Bundle(bundle))
        })
    };
    let Some(code) = config.apps.iter().map(find).collect::<Option<Vec<AppCode>>>() else { return Ok(None) };
    refuse_contradictions(&code)?;
    in_order(code, &store.image).map(Some)
}

/// The place where bundles and pins are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Volume,
    /// A folder of the image, at image build time.
    Image,
}

/// The bundles and pins of one place, and the apps of the image.
pub struct BundleStore<'a> {
    config: &'a Config,
    bench: &'a Bench,
    store: Store,
    /// The folder that contains pins and bundles.
    pub cauldron: PathBuf,
    pub image: Image,
    pub python: Python,
}

impl<'a> BundleStore<'a> {
    /// # Errors
    /// 78 if the bench has no supported Python, or if a lock file of `apps fetch` cannot be read.
    pub fn open(config: &'a Config, bench: &'a Bench, store: Store) -> Result<Self> {
        let cauldron = match store {
            Store::Volume => bench.cauldron(),
            Store::Image => bench.image_cauldron(),
        };
        let (image, python) = (Image::read(bench)?, Python::of(bench)?);
        Ok(Self { config, bench, store, cauldron, image, python })
    }

    /// The site whose leader publishes here; None at image build time.
    pub fn site(&self) -> Option<&str> {
        self.config.site.as_deref().filter(|_| self.store == Store::Volume)
    }

    pub fn bundles(&self) -> PathBuf {
        self.cauldron.join("bundles")
    }

    pub fn pins_path(&self) -> PathBuf {
        Pins::path(&self.cauldron, &self.config.apps.digest())
    }

    /// The image's own code of the app, if it satisfies the entry.
    pub fn of_the_image(&self, app: &AppSpec) -> Option<AppCode> {
        // At image build time the image's bundles are the output, and not a source.
        let is_ours = |code: &AppCode| self.store == Store::Image && matches!(code, AppCode::Bundle(_));
        self.image.satisfies(app, &self.python).filter(|code| !is_ours(code))
    }

    /// True if the bundle's assets were not built, and this container can build them.
    pub fn lacks_assets(&self, app: &AppSpec, bundle: &Bundle) -> bool {
        bundle.lacks_build() && app.builds() && assets::missing_tool(self.bench, bundle.needs()).is_none()
    }

    /// A pin's bundle for this Python; None if it is absent or incomplete.
    pub fn bundle_of(&self, pin: &Pin) -> Option<Bundle> {
        let Commit::At(commit) = &pin.commit else { return None };
        let folder = self.bundles().join(&pin.app);
        bundle::keys(commit, &self.python).iter().find_map(|key| open(&folder.join(key)))
    }

    /// A bundle of that commit, published for any wanted list.
    pub fn any_bundle_at(&self, app: &AppSpec, commit: &str) -> Option<Bundle> {
        let keys = bundle::keys(commit, &self.python);
        let apps = std::fs::read_dir(self.bundles()).into_iter().flatten().flatten();
        let mut candidates = apps.flat_map(|folder| keys.clone().map(|key| folder.path().join(key)));
        candidates.find_map(|root| {
            let is_its = |bundle: &Bundle| {
                bundle.manifest.subfolder == app.subfolder && !self.lacks_assets(app, bundle)
            };
            open(&root).filter(is_its)
        })
    }

    /// The commits of the pinned app that have bundles, the pinned one first.
    pub fn commits_before(&self, pin: &Pin) -> Vec<String> {
        let entries = std::fs::read_dir(self.bundles().join(&pin.app)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let published = names.filter_map(|name| Some(name.split_once('-')?.0.to_string()));
        let mut commits: Vec<String> = match &pin.commit {
            Commit::At(commit) => vec![commit.clone()],
            Commit::Baked => Vec::new(),
        };
        for commit in published {
            if !commits.contains(&commit) {
                commits.push(commit);
            }
        }
        commits
    }

    /// A bundle of that commit for any bench and any Python: the source is the same.
    pub fn any_source_of(&self, app: &AppSpec, pin: &Pin, commit: &str) -> Option<Bundle> {
        let entries = std::fs::read_dir(self.bundles().join(&pin.app)).into_iter().flatten().flatten();
        let its = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(commit));
        let mut bundles: Vec<Bundle> = its.filter_map(|entry| open(&entry.path())).collect();
        bundles.retain(|bundle| bundle.manifest.subfolder == app.subfolder);
        bundles.into_iter().max_by_key(|bundle| bundle.manifest.built_assets)
    }

    /// The pin of an entry to a bundle.
    pub fn pin(&self, app: &AppSpec, bundle: &Bundle) -> Pin {
        let parent = self.cauldron.parent().unwrap_or(Path::new("/"));
        let path = bundle.root.strip_prefix(parent).unwrap_or(&bundle.root);
        let commit = Commit::At(bundle.manifest.commit.clone());
        Pin { bundle: Some(path.to_path_buf()), ..Pin::of(app, &bundle.manifest.app, commit) }
    }
}

fn open(root: &Path) -> Option<Bundle> {
    if !root.exists() {
        return None;
    }
    let log = |fault: &Fault| tracing::warn!(event = "bundle.unusable", %fault, "bundle cannot be used");
    Bundle::open(root).inspect_err(log).ok()
}
