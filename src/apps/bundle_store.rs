//! What is there already: in the image, and on the volume by the pins. No program is run here.

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
use crate::outcome::Result;
use crate::pod::Pod;

/// For whoever follows: the code of every wanted app, as the leader pinned it; none while it is not
/// published yet. Milliseconds.
///
/// # Errors
/// 78 and 77 where pins or bundles cannot be read, and where a required app is nowhere.
pub fn joined(pod: &Pod) -> Result<Option<Vec<AppCode>>> {
    joined_by(&pod.config, &pod.bench)
}

/// The same, for who has nothing else.
///
/// # Errors
/// As [`joined`].
pub fn joined_by(config: &Config, bench: &Bench) -> Result<Option<Vec<AppCode>>> {
    if config.apps.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let store = BundleStore::open(config, bench, Store::Volume)?;
    let pins = Pins::read(&store.pins_path())?;
    let pins = pins.filter(|pins| pins.has_moved(config.apps_update.as_ref()));
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

/// Where bundles and pins go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Volume,
    /// At image build time.
    Image,
}

/// What one pod finds.
pub struct BundleStore<'a> {
    config: &'a Config,
    bench: &'a Bench,
    store: Store,
    /// The folder of pins and bundles.
    pub cauldron: PathBuf,
    pub image: Image,
    pub python: Python,
}

impl<'a> BundleStore<'a> {
    /// # Errors
    /// 78 where the bench has no Python that we know, or what `apps fetch` recorded cannot be read.
    pub fn open(config: &'a Config, bench: &'a Bench, store: Store) -> Result<Self> {
        let cauldron = match store {
            Store::Volume => bench.cauldron(),
            Store::Image => bench.image_cauldron(),
        };
        let (image, python) = (Image::look(bench)?, Python::of(bench)?);
        Ok(Self { config, bench, store, cauldron, image, python })
    }

    pub fn bundles(&self) -> PathBuf {
        self.cauldron.join("bundles")
    }

    pub fn pins_path(&self) -> PathBuf {
        Pins::path(&self.cauldron, &self.config.apps.digest())
    }

    /// The image's own, where it satisfies the entry.
    pub fn of_the_image(&self, app: &AppSpec) -> Option<AppCode> {
        // What is made at build time is what the image is to have.
        let is_ours = |code: &AppCode| self.store == Store::Image && matches!(code, AppCode::Bundle(_));
        self.image.satisfies(app, &self.python).filter(|code| !is_ours(code))
    }

    /// Its assets were not built and can be now.
    pub fn lacks_assets(&self, app: &AppSpec, bundle: &Bundle) -> bool {
        bundle.lacks_build() && app.builds() && assets::missing(self.bench, bundle.needs()).is_none()
    }

    /// A pin's bundle for this Python; none where it is not there, or not whole.
    pub fn bundle_of(&self, pin: &Pin) -> Option<Bundle> {
        let Commit::At(commit) = &pin.commit else { return None };
        let folder = self.bundles().join(&pin.app);
        bundle::keys(commit, &self.python).iter().find_map(|key| open(&folder.join(key)))
    }

    /// A bundle of that commit, by whatever list it was published.
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

    /// Commits of the pinned app that have bundles, the pinned one in front.
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

    /// A bundle of that commit for another bench or another Python: its source is the same.
    pub fn any_source_of(&self, app: &AppSpec, pin: &Pin, commit: &str) -> Option<Bundle> {
        let entries = std::fs::read_dir(self.bundles().join(&pin.app)).into_iter().flatten().flatten();
        let its = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(commit));
        let mut bundles: Vec<Bundle> = its.filter_map(|entry| open(&entry.path())).collect();
        bundles.retain(|bundle| bundle.manifest.subfolder == app.subfolder);
        bundles.into_iter().max_by_key(|bundle| bundle.manifest.built_assets)
    }

    /// What pins an entry to a bundle.
    pub fn pin(&self, app: &AppSpec, bundle: &Bundle) -> Pin {
        let beside = self.cauldron.parent().unwrap_or(Path::new("/"));
        let path = bundle.root.strip_prefix(beside).unwrap_or(&bundle.root);
        let commit = Commit::At(bundle.manifest.commit.clone());
        Pin { bundle: Some(path.to_path_buf()), ..Pin::of(app, &bundle.manifest.app, commit) }
    }
}

fn open(root: &Path) -> Option<Bundle> {
    if !root.exists() {
        return None;
    }
    Bundle::open(root).inspect_err(|fault| tracing::warn!(%fault, "a bundle is not used")).ok()
}
