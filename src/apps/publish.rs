//! Makes one bundle: fetches ([`fetch`]), inspects, completes and verifies it, and then renames it into its place.
//!
//! Nothing is in the final place before the rename, and everything is synced to disk before it: a kill or a power cut
//! at any moment leaves the bundle absent or complete. Two concurrent publishers make equal bundles, and the later one
//! uses the bundle of the earlier one.

mod fetch;
mod source;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use self::fetch::{Fetched, Origin};
use super::assets::{Build, BuildNeeds};
use super::bundle::{BUILT, Bundle, Manifest};
use super::program;
use super::python::Python;
use super::requirements::Source;
use super::source_tree::{copy_tree, open_to_all, sync};
use super::staging::Staging;
use crate::bench::atomic_file::sync_folder;
use crate::bench::file_thread::on_file_thread;
use crate::fingerprint::manifest_digest;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;
use crate::record::durations;
use crate::status::operation::Operation;
use crate::supervise::spawn::Spec;
use crate::web_files::compress::compress;

const COMPILE_TIMEOUT: Duration = Duration::from_secs(600);

/// Publishes bundles for one bench.
pub struct Publisher<'a> {
    pub pod: &'a Pod,
    pub python: &'a Python,
    /// The folder of the bundles.
    pub bundles: PathBuf,
    /// The versions of the bench's own apps.
    pub baked: &'a BTreeMap<String, String>,
    /// The site for which durations are recorded; None at image build time.
    pub site: Option<&'a str>,
}

impl Publisher<'_> {
    /// Publishes a fetched app; `others` are the bundles with which it is used.
    ///
    /// # Errors
    /// The app is not usable; the stop signal. Nothing is then in the final place.
    pub async fn publish(&self, fetched: Fetched<'_>, others: &[Bundle]) -> Flow<Bundle> {
        let begin = Instant::now();
        let label = fetched.app.label();
        self.pod.status.begin(Operation::FetchingApp(label.clone()));
        let Fetched { package, app, commit, staging, descent, is_built, fetch_ms } = fetched;
        let (root, source, scratch) = (staging.bundle(), staging.source(), staging.scratch());
        let mut apps = self.baked.clone();
        apps.extend(others.iter().map(|b| (b.manifest.app.clone(), b.manifest.version.clone())));
        let inspected_source = Source { app: &package.app, folder: &source, apps: &apps, others };
        let inspected = inspected_source.inspect(self.pod).await?;
        let requirements = inspected_source.install(self.pod, &inspected, &root, &scratch).await?;
        let needs = package.needs;
        let build =
            Build { app: &package.app, needs, source: &source, root: &root, scratch: &scratch, others };
        let builds = needs != BuildNeeds::default() && app.builds();
        let fingerprint =
            manifest_digest(&source.join(&package.app)).map_err(|error| self.cannot_write(&error))?;
        let manifest = Manifest {
            app: package.app.clone(),
            version: package.version,
            commit,
            abi: self.python.abi.clone(),
            arch: self.python.arch.clone(),
            requirements,
            bench: inspected.requires().then(|| self.python.packages.clone()),
            has_bundles: needs != BuildNeeds::default(),
            built_assets: is_built || (builds && build.run(self.pod).await?),
            required_apps: package.required_apps,
            fingerprint: Some(fingerprint),
            follows: descent.follows,
            precedes: descent.precedes,
            subfolder: app.subfolder.clone(),
        };
        self.compress_assets(&package.app, &root, &source.join(&package.app)).await?;
        self.compile(&root, &self.place(&manifest)).await?;
        let bundle = self.put_in_place(&staging, &manifest).await?;
        self.record_duration(&publish_step(&label), begin.elapsed());
        tracing::info!(
            event = "bundle.published",
            app = bundle.manifest.app,
            version = bundle.manifest.version,
            requirements = bundle.manifest.requirements.len(),
            fetch_ms,
            elapsed_ms = fetch_ms + elapsed_ms(begin),
            "app published as a bundle"
        );
        Ok(bundle)
    }

    /// Copies a bundle of the image to the volume.
    ///
    /// # Errors
    /// The volume cannot be written.
    pub async fn copy(&self, bundle: &Bundle) -> Result<Bundle> {
        let staging = self.staging().await?;
        let (from, to) = (bundle.root.clone(), staging.bundle());
        self.on_files(move || copy_tree(&from, &to)).await?;
        tracing::info!(
            event = "bundle.copied_to_volume",
            app = bundle.manifest.app,
            "only this image has the app: copied it to the volume for pods of other images"
        );
        self.put_in_place(&staging, &bundle.manifest).await
    }

    /// Writes compressed files beside the assets, so that no pod compresses them for a request.
    async fn compress_assets(&self, app: &str, root: &Path, package: &Path) -> Flow<()> {
        let status = self.pod.status.clone();
        let folders = vec![root.join("assets"), package.join("public")];
        let report = |done, files| {
            tracing::info!(event = "assets.compressing", app, done, files, "compresses the assets");
        };
        let compressing = async {
            let written = compress(folders, move || status.progress(), report).await;
            written.map_err(|error| self.cannot_write(&error).into())
        };
        self.pod.shutdown.guard(compressing).await.map(drop)
    }

    /// Compiles bytecode for all pods, whose uid may not be able to write it. Files that do not compile, such as
    /// templates, are ignored; hooks.py was checked before.
    async fn compile(&self, root: &Path, place: &Path) -> Flow<()> {
        let mut arguments: Vec<OsString> = ["-I", "-m", "compileall", "-qq"].map(OsString::from).into();
        // Tracebacks contain the path under which a file was compiled.
        arguments.extend(["-s".into(), root.into(), "-p".into(), place.into()]);
        let folders = ["source", "site-packages"].map(|name| root.join(name));
        arguments.extend(folders.iter().filter(|folder| folder.is_dir()).map(OsString::from));
        let spec = Spec {
            args: arguments,
            env: ChildEnvironment::inherited().into_map(),
            ..Spec::new("compileall", self.pod.bench.python())
        };
        program::run(self.pod, spec, COMPILE_TIMEOUT).await.map(drop)
    }

    /// Verifies the bundle, syncs it to disk, and only then renames it into its final place.
    async fn put_in_place(&self, staging: &Staging, manifest: &Manifest) -> Result<Bundle> {
        let root = staging.bundle();
        let fault = |error: &io::Error| self.cannot_write(error);
        manifest.write(&root)?;
        Bundle::open(&root)?;
        let tree = root.clone();
        self.on_files(move || open_to_all(&tree).and_then(|()| sync(&tree))).await?;
        let place = self.place(manifest);
        let app = self.bundles.join(&manifest.app);
        fs::create_dir_all(&app).map_err(|error| fault(&error))?;
        for _ in 0..2 {
            match fs::rename(&root, &place) {
                Ok(()) => {
                    for folder in [&app, &self.bundles] {
                        sync_folder(folder).map_err(|error| fault(&error))?;
                    }
                    return Bundle::open(place);
                }
                Err(_) if place.exists() => {
                    if let Ok(theirs) = Bundle::open(&place) {
                        tracing::info!(
                            event = "bundle.published_by_other_pod",
                            app = manifest.app,
                            "another pod published the same bundle first"
                        );
                        return Ok(theirs);
                    }
                    // A part of it was deleted: move the rest out of the way.
                    fs::rename(&place, staging.trash()).map_err(|error| fault(&error))?;
                }
                Err(error) => return Err(fault(&error)),
            }
        }
        let cause =
            format!("{} exists, is no complete bundle, and comes back after its removal", place.display());
        Err(Fault::try_again(cause, "check which program writes to that folder"))
    }

    /// The bundle's final place; it has a suffix if the plain name is taken by a bundle that was never built.
    fn place(&self, manifest: &Manifest) -> PathBuf {
        let (app, key) = (self.bundles.join(&manifest.app), manifest.key());
        let place = app.join(&key);
        let is_unbuilt = || Bundle::open(&place).is_ok_and(|bundle| bundle.lacks_build());
        if manifest.built_assets && is_unbuilt() { app.join(key + BUILT) } else { place }
    }

    async fn staging(&self) -> Result<Staging> {
        let bundles = self.bundles.clone();
        on_file_thread(move || Staging::make(&bundles)).await?
    }

    async fn on_files(&self, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<()> {
        on_file_thread(work).await?.map_err(|error| self.cannot_write(&error))
    }

    fn record_duration(&self, step: &str, took: Duration) {
        if let Some(site) = self.site {
            durations::record(&self.pod.bench, site, step, took);
        }
    }

    fn cannot_write(&self, error: &io::Error) -> Fault {
        Fault::file(format!("cannot write {}", self.bundles.display()), error)
    }
}

/// The name of an app's fetch in the record of durations.
pub fn fetch_step(label: &str) -> String {
    format!("fetch {label}")
}

/// The name of an app's publication, after its fetch, in the record of durations.
pub fn publish_step(label: &str) -> String {
    format!("publish {label}")
}

fn elapsed_ms(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX)
}
