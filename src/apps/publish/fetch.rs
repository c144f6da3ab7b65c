//! The first part of a publication: puts the source into a staging folder and reads its package.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::super::bundle::{Bundle, Manifest};
use super::super::git::{Descent, Git, MissingSubmodule};
use super::super::package::Package;
use super::super::source_tree::copy_app;
use super::super::staging::Staging;
use super::source::{blame_submodule, copy_sources, extract_source};
use super::{Publisher, elapsed_ms, fetch_step};
use crate::config::apps::AppSpec;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::status::operation::Operation;

/// The place from which the source is taken.
pub enum Origin<'a> {
    Git {
        git: &'a Git<'a>,
        /// Commits of the same source that were published before, the last pinned one first.
        before: &'a [String],
    },
    /// A bundle of the same commit, for another bench.
    Bundle(&'a Bundle),
    /// A folder of the image's `apps/`.
    Image(&'a Path),
}

/// The fetched source of an app, which is not published yet.
pub struct Fetched<'a> {
    pub package: Package,
    pub(super) app: &'a AppSpec,
    pub(super) commit: String,
    pub(super) staging: Staging,
    pub(super) descent: Descent,
    /// The source came from a bundle with built assets.
    pub(super) is_built: bool,
    pub(super) fetch_ms: u64,
}

impl Publisher<'_> {
    /// Fetches an app at a commit.
    ///
    /// # Errors
    /// The app or its source is not usable; the stop signal.
    pub async fn fetch<'a>(&self, app: &'a AppSpec, commit: &str, origin: Origin<'_>) -> Flow<Fetched<'a>> {
        let label = app.label();
        let begin = Instant::now();
        self.pod.status.begin(Operation::FetchingApp(label.clone()));
        let staging = self.staging().await?;
        for folder in [staging.bundle(), staging.scratch()] {
            fs::create_dir(folder).map_err(|error| self.cannot_write(&error))?;
        }
        let (descent, lacking) = self.take(app, commit, &origin, &staging).await?;
        let package = Package::find(&staging.source(), app.name.as_deref()).map_err(|why| {
            let cause = format!("app {label}: {}: {why}", app.source());
            let fault = Fault::configuration(cause, "set the repository (and subfolder) of a Frappe app")
                .named(Refusal::AppUnusable);
            blame_submodule(&lacking, app.subfolder.as_deref(), fault)
        })?;
        self.check_submodules(lacking, &package.app, app)?;
        if let Some(name) = app.name.as_ref().filter(|name| **name != package.app) {
            tracing::warn!(
                event = "app.name_corrected",
                wanted = name,
                found = package.app,
                "the app has the name of its package: correct the name in the list of wanted apps"
            );
        }
        let is_built = matches!(&origin, Origin::Bundle(bundle) if bundle.manifest.built_assets);
        if matches!(origin, Origin::Git { .. }) {
            self.record_duration(&fetch_step(&label), begin.elapsed());
        }
        let (commit, fetch_ms) = (commit.to_string(), elapsed_ms(begin));
        Ok(Fetched { package, app, commit, staging, descent, is_built, fetch_ms })
    }

    /// Puts the source into its place in the bundle. Returns its relation to earlier commits, and the submodules that
    /// could not be fetched.
    async fn take(
        &self,
        app: &AppSpec,
        commit: &str,
        origin: &Origin<'_>,
        staging: &Staging,
    ) -> Flow<(Descent, Vec<MissingSubmodule>)> {
        let label = app.label();
        match origin {
            Origin::Git { git, before } => {
                tracing::info!(
                    event = "app.fetch_started",
                    app = label,
                    source = app.source(),
                    commit,
                    "fetching the app"
                );
                let lacking = git.fetch(app, commit, &staging.repository()).await?;
                let descent = git.descent(app, commit, before, &staging.scratch().join("history")).await?;
                extract_source(app, &staging.repository(), &staging.source())
                    .map_err(|fault| blame_submodule(&lacking, app.subfolder.as_deref(), fault))?;
                Ok((descent, lacking))
            }
            Origin::Bundle(bundle) => {
                let Manifest { follows, precedes, .. } = bundle.manifest.clone();
                let from = bundle.root.display().to_string();
                tracing::info!(
                    event = "bundle.reused_for_other_bench",
                    app = label,
                    from,
                    "this bench differs from the bundle's: making a bundle for it from the same source"
                );
                let (root, to) = (bundle.root.clone(), staging.bundle());
                self.on_files(move || copy_sources(&root, &to)).await?;
                Ok((Descent { follows, precedes }, Vec::new()))
            }
            Origin::Image(folder) => {
                tracing::info!(
                    event = "app.copy_to_volume_started",
                    app = label,
                    "only this image has the app: copying it to the volume for pods of other images"
                );
                let (from, to) = (folder.to_path_buf(), staging.source());
                self.on_files(move || copy_app(&from, &to)).await?;
                Ok((Descent::default(), Vec::new()))
            }
        }
    }

    /// Refuses a missing submodule that the package overlaps. Others are for developers and only logged: `bench
    /// get-app` fetches none at all. If submodules are off, all missing ones are only logged.
    fn check_submodules(&self, lacking: Vec<MissingSubmodule>, package: &str, app: &AppSpec) -> Result<()> {
        let package = Path::new(app.subfolder.as_deref().unwrap_or_default()).join(package);
        for one in lacking {
            if self.pod.config.git.submodules && one.overlaps(&package) {
                return Err(one.fault);
            }
            let (submodule, reason) = (one.path, one.fault.cause);
            tracing::warn!(
                event = "app.submodule_missing",
                submodule,
                reason,
                "the app is published without this submodule"
            );
        }
        Ok(())
    }
}
