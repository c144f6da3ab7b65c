//! Making one bundle: fetched ([`fetch`]), looked at, completed, verified, and then renamed into its place.
//!
//! Nothing of it is in its place before the rename, and what was renamed is on the disk: a kill or a
//! power cut at any moment leaves the bundle absent or whole. Two that publish at once make the same
//! thing, and the later one takes the earlier one's.

mod fetch;
mod source;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use self::fetch::{Fetched, Origin};
use super::assets::{Build, Needs};
use super::bundle::{BUILT, Bundle, Manifest};
use super::program;
use super::python::Python;
use super::requirements::Source;
use super::source_tree::{copy_tree, open_to_all, sync};
use super::staging::Staging;
use crate::bench::atomic_file::sync_folder;
use crate::fingerprint::baked_digest;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;
use crate::status::operation::Operation;
use crate::supervise::spawn::Spec;

const COMPILE_TAKES_AT_MOST: Duration = Duration::from_secs(600);

/// What a bundle is made for.
pub struct Publisher<'a> {
    pub pod: &'a Pod,
    pub python: &'a Python,
    /// Where the bundles are.
    pub bundles: PathBuf,
    /// Versions of the apps of the bench.
    pub baked: &'a BTreeMap<String, String>,
}

impl Publisher<'_> {
    /// Publishes an app that was fetched; `others` are the bundles that it is used with.
    ///
    /// # Errors
    /// What is wrong with the app; the signal that asked for a stop. Nothing of it is in its place then.
    pub async fn publish(&self, fetched: Fetched<'_>, others: &[Bundle]) -> Flow<Bundle> {
        let begin = Instant::now();
        let label = fetched.app.label();
        self.pod.status.begin(Operation::FetchingApp(label.clone()));
        let Fetched { package, app, commit, staging, descent, is_built, fetch_ms } = fetched;
        let (root, source, scratch) = (staging.bundle(), staging.source(), staging.scratch());
        let mut apps = self.baked.clone();
        apps.extend(others.iter().map(|b| (b.manifest.app.clone(), b.manifest.version.clone())));
        let looked_at = Source { app: &package.app, folder: &source, apps: &apps, others };
        let inspected = looked_at.inspect(self.pod).await?;
        let requirements = looked_at.install(self.pod, &inspected, &root, &scratch).await?;
        let needs = package.needs;
        let build =
            Build { app: &package.app, needs, source: &source, root: &root, scratch: &scratch, others };
        let builds = needs != Needs::default() && app.builds();
        let fingerprint =
            baked_digest(&source.join(&package.app)).map_err(|error| self.cannot_write(&error))?;
        let manifest = Manifest {
            app: package.app.clone(),
            version: package.version,
            commit,
            abi: self.python.abi.clone(),
            arch: self.python.arch.clone(),
            requirements,
            bench: inspected.requires().then(|| self.python.packages.clone()),
            has_bundles: needs != Needs::default(),
            built_assets: is_built || (builds && build.run(self.pod).await?),
            required_apps: package.required_apps,
            fingerprint: Some(fingerprint),
            follows: descent.follows,
            precedes: descent.precedes,
            subfolder: app.subfolder.clone(),
        };
        self.compile(&root, &self.place(&manifest)).await?;
        let bundle = self.put_in_place(&staging, &manifest)?;
        tracing::info!(
            app = bundle.manifest.app,
            version = bundle.manifest.version,
            requirements = bundle.manifest.requirements.len(),
            fetch_ms,
            elapsed_ms = fetch_ms + elapsed_ms(begin),
            "published"
        );
        Ok(bundle)
    }

    /// A bundle of the image, on the volume, too.
    ///
    /// # Errors
    /// The volume cannot be written.
    pub fn copy(&self, bundle: &Bundle) -> Result<Bundle> {
        let staging = Staging::make(&self.bundles)?;
        copy_tree(&bundle.root, &staging.bundle()).map_err(|error| self.cannot_write(&error))?;
        tracing::info!(app = bundle.manifest.app, "only this image has it: copied for the pods of another");
        self.put_in_place(&staging, &bundle.manifest)
    }

    /// Bytecode for every pod, whatever its uid may write. A file that does not compile is its app's
    /// own affair (a template, say): hooks.py does.
    async fn compile(&self, root: &Path, place: &Path) -> Flow<()> {
        let mut arguments: Vec<OsString> = ["-I", "-m", "compileall", "-qq"].map(OsString::from).into();
        // Tracebacks name a file by the path it was compiled under.
        arguments.extend(["-s".into(), root.into(), "-p".into(), place.into()]);
        let folders = ["source", "site-packages"].map(|name| root.join(name));
        arguments.extend(folders.iter().filter(|folder| folder.is_dir()).map(OsString::from));
        let spec = Spec {
            args: arguments,
            env: ChildEnvironment::inherited().into_map(),
            ..Spec::new("compileall", self.pod.bench.python())
        };
        program::run(self.pod, spec, COMPILE_TAKES_AT_MOST).await.map(drop)
    }

    /// Verified, on the disk, and only then where others look.
    fn put_in_place(&self, staging: &Staging, manifest: &Manifest) -> Result<Bundle> {
        let root = staging.bundle();
        let fault = |error: &io::Error| self.cannot_write(error);
        manifest.write(&root)?;
        Bundle::open(&root)?;
        open_to_all(&root).map_err(|error| fault(&error))?;
        sync(&root).map_err(|error| fault(&error))?;
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
                        tracing::info!(app = manifest.app, "another pod published it first");
                        return Ok(theirs);
                    }
                    // Somebody took a part of it away: it goes, whole.
                    fs::rename(&place, staging.trash()).map_err(|error| fault(&error))?;
                }
                Err(error) => return Err(fault(&error)),
            }
        }
        Err(Fault::try_again(format!("{} is taken", place.display()), "look at what is there"))
    }

    /// Its own name, unless that is taken by one that was never built.
    fn place(&self, manifest: &Manifest) -> PathBuf {
        let (app, key) = (self.bundles.join(&manifest.app), manifest.key());
        let place = app.join(&key);
        let is_unbuilt = || Bundle::open(&place).is_ok_and(|bundle| bundle.lacks_build());
        if manifest.built_assets && is_unbuilt() { app.join(key + BUILT) } else { place }
    }

    fn cannot_write(&self, error: &io::Error) -> Fault {
        Fault::file(format!("cannot write {}", self.bundles.display()), error)
    }
}

fn elapsed_ms(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX)
}
