//! The first half of a publication: the source in a staging folder, and what its package says of itself.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::super::bundle::{Bundle, Manifest};
use super::super::git::{Descent, Git, Lacking};
use super::super::package::Package;
use super::super::source_tree::copy_app;
use super::super::staging::Staging;
use super::source::{copy_sources, for_want_of, take_source};
use super::{Publisher, elapsed_ms};
use crate::config::apps::AppSpec;
use crate::outcome::{Fault, Flow, Result};
use crate::status::operation::Operation;

/// Where the source is taken from.
pub enum Origin<'a> {
    Git {
        git: &'a Git<'a>,
        /// Commits of the same source that were published before, the one that was pinned last in front.
        before: &'a [String],
    },
    /// One of the same commit, for another bench.
    Bundle(&'a Bundle),
    /// A folder of the image's `apps/`.
    Image(&'a Path),
}

/// The source of an app, which nobody else sees yet.
pub struct Fetched<'a> {
    pub package: Package,
    pub(super) app: &'a AppSpec,
    pub(super) commit: String,
    pub(super) staging: Staging,
    pub(super) descent: Descent,
    /// Its assets came along.
    pub(super) is_built: bool,
    pub(super) fetch_ms: u64,
}

impl Publisher<'_> {
    /// Fetches an app at a commit.
    ///
    /// # Errors
    /// What is wrong with the app or its source; the signal that asked for a stop.
    pub async fn fetch<'a>(&self, app: &'a AppSpec, commit: &str, origin: Origin<'_>) -> Flow<Fetched<'a>> {
        let label = app.label();
        let begin = Instant::now();
        self.pod.status.begin(Operation::FetchingApp(label.clone()));
        let staging = Staging::make(&self.bundles)?;
        for folder in [staging.bundle(), staging.scratch()] {
            fs::create_dir(folder).map_err(|error| self.cannot_write(&error))?;
        }
        let (descent, lacking) = self.take(app, commit, &origin, &staging).await?;
        let package = Package::find(&staging.source(), app.name.as_deref()).map_err(|why| {
            let cause = format!("app {label}: {}: {why}", app.source());
            let fault = Fault::configuration(cause, "name the repository (and subfolder) of a Frappe app");
            for_want_of(&lacking, app.subfolder.as_deref(), fault)
        })?;
        self.check_submodules(lacking, &package.app, app)?;
        if let Some(name) = app.name.as_ref().filter(|name| **name != package.app) {
            tracing::warn!(
                wanted = name,
                found = package.app,
                "the app is called as its package; correct its name"
            );
        }
        let is_built = matches!(&origin, Origin::Bundle(bundle) if bundle.manifest.built_assets);
        let (commit, fetch_ms) = (commit.to_string(), elapsed_ms(begin));
        Ok(Fetched { package, app, commit, staging, descent, is_built, fetch_ms })
    }

    /// The source, in its place in the bundle; what it is to commits before it, and submodules that could not be had.
    async fn take(
        &self,
        app: &AppSpec,
        commit: &str,
        origin: &Origin<'_>,
        staging: &Staging,
    ) -> Flow<(Descent, Vec<Lacking>)> {
        let label = app.label();
        match origin {
            Origin::Git { git, before } => {
                tracing::info!(app = label, source = app.source(), commit, "fetching");
                let lacking = git.fetch(app, commit, &staging.repository()).await?;
                let descent = git.descent(app, commit, before, &staging.scratch().join("history")).await?;
                take_source(app, &staging.repository(), &staging.source())
                    .map_err(|fault| for_want_of(&lacking, app.subfolder.as_deref(), fault))?;
                Ok((descent, lacking))
            }
            Origin::Bundle(bundle) => {
                let Manifest { follows, precedes, .. } = bundle.manifest.clone();
                let from = bundle.root.display().to_string();
                tracing::info!(app = label, from, "the image's bench is another one: completing it anew");
                copy_sources(bundle, &staging.bundle()).map_err(|error| self.cannot_write(&error))?;
                Ok((Descent { follows, precedes }, Vec::new()))
            }
            Origin::Image(folder) => {
                tracing::info!(app = label, "only this image has it: copying it for the pods of another");
                copy_app(folder, &staging.source()).map_err(|error| self.cannot_write(&error))?;
                Ok((Descent::default(), Vec::new()))
            }
        }
    }

    /// One that the package does not touch is for developers: `bench get-app` fetches none at all. Where none is to
    /// be fetched, the operator decided.
    fn check_submodules(&self, lacking: Vec<Lacking>, package: &str, app: &AppSpec) -> Result<()> {
        let package = Path::new(app.subfolder.as_deref().unwrap_or_default()).join(package);
        for one in lacking {
            if self.pod.config.git.submodules && one.touches(&package) {
                return Err(one.fault);
            }
            let (submodule, reason) = (one.path, one.fault.cause);
            tracing::warn!(submodule, reason, "the app is published without a submodule");
        }
        Ok(())
    }
}
