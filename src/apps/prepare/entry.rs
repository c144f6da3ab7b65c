//! Turns one entry of the wanted list into the code of its app.
//!
//! ```text
//!   locate ─▶ Image, Bundle ─────────────────────────────────▶ published: that code
//!          ─▶ Unbuilt, Absent ─▶ fetch ─▶ Bundle ────────────▶
//!                                      ─▶ Fetched ───────────▶ published: a new bundle
//! ```

use std::collections::BTreeMap;

use super::super::baked::Image;
use super::super::bundle::Bundle;
use super::super::bundle_store::BundleStore;
use super::super::git::Git;
use super::super::order::{order, required_app_missing};
use super::super::pins::{Commit, Pin, Pins};
use super::super::publish::{Fetched, Origin, Publisher};
use super::super::{AppCode, bundles_of};
use crate::config::apps::AppSpec;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result, Stopped};

/// An entry, its pin, and the place of its code.
pub struct Entry<'a> {
    pub(super) app: &'a AppSpec,
    /// None if its branch is to move.
    pub(super) pinned: Option<&'a Pin>,
    /// Commits of the same source that have bundles, the last pinned one first.
    before: Vec<String>,
    pub(super) source: Source<'a>,
}

pub(super) enum Source<'a> {
    Image(AppCode),
    Bundle(Bundle),
    /// The bundle's assets were not built, and this container can build them.
    Unbuilt(Bundle),
    Absent,
    /// The fetched source, and the unbuilt bundle that it replaces.
    Fetched(Box<Fetched<'a>>, Option<Bundle>),
}

/// The place of an app's code or source at one commit.
pub(super) enum Place {
    /// A bundle for this bench.
    Bundle(Bundle),
    /// A bundle for another bench.
    Source(Bundle),
    Repository,
}

impl<'a> Entry<'a> {
    /// Finds existing code.
    ///
    /// # Errors
    /// 78 if another Frappe is wanted than the image has.
    pub fn locate(app: &'a AppSpec, store: &BundleStore<'_>, before: &'a Pins, moves: bool) -> Result<Self> {
        let pinned = before.pin_of(app);
        if let Some(own) = store.of_the_image(app) {
            return Ok(Self { app, pinned, before: Vec::new(), source: Source::Image(own) });
        }
        if app.label() == "frappe" {
            let has = store.image.apps.get("frappe").map_or("none", |baked| baked.version.as_str());
            return Err(Fault::configuration(
                format!("frappe is wanted at {}, and the image has {has}", app.reference()),
                "use an image with that Frappe: only the image can provide it",
            )
            .named(Refusal::FrappeMismatch));
        }
        let pinned = pinned.filter(|_| !moves || !app.may_move());
        let published = before.pin_of_source(app).map(|pin| store.commits_before(pin));
        let source = match pinned.and_then(|pin| store.bundle_of(pin)) {
            Some(bundle) if store.lacks_assets(app, &bundle) => Source::Unbuilt(bundle),
            Some(bundle) => Source::Bundle(bundle),
            None => Source::Absent,
        };
        Ok(Self { app, pinned, before: published.unwrap_or_default(), source })
    }

    /// Fetches code that is absent or unbuilt. Returns true if it did.
    ///
    /// # Errors
    /// The app or its repository is not usable; the stop signal.
    pub async fn fetch<'g>(
        &mut self,
        store: &BundleStore<'_>,
        publisher: &Publisher<'g>,
        git: &mut Option<Git<'g>>,
    ) -> Flow<bool> {
        let unbuilt = match &self.source {
            Source::Absent => None,
            Source::Unbuilt(bundle) => Some(bundle.clone()),
            Source::Image(_) | Source::Bundle(_) | Source::Fetched(..) => return Ok(false),
        };
        self.source = match self.fetch_source(store, publisher, git).await {
            Ok(Source::Fetched(fetched, _)) => Source::Fetched(fetched, unbuilt),
            Ok(source) => source,
            Err(stopped) => Source::Bundle(keep_unbuilt_bundle(stopped, unbuilt)?),
        };
        Ok(true)
    }

    /// The place of the entry's code or source at that commit.
    pub(super) fn place(&self, store: &BundleStore<'_>, commit: &str) -> Place {
        if let Some(bundle) = store.any_bundle_at(self.app, commit) {
            return Place::Bundle(bundle);
        }
        // For a new image or another Python, the source of an existing bundle is used instead of the repository.
        let source = self.pinned.and_then(|pin| store.any_source_of(self.app, pin, commit));
        source.map_or(Place::Repository, Place::Source)
    }

    async fn fetch_source<'g>(
        &self,
        store: &BundleStore<'_>,
        publisher: &Publisher<'g>,
        git: &mut Option<Git<'g>>,
    ) -> Flow<Source<'a>> {
        let (app, pinned) = (self.app, self.pinned);
        let commit = match pinned.map(|pin| &pin.commit) {
            Some(Commit::At(commit)) => commit.clone(),
            _ => git_with_logins(git, publisher)?.resolve(app).await?,
        };
        let place = self.place(store, &commit);
        let origin = match &place {
            Place::Bundle(bundle) => return Ok(Source::Bundle(bundle.clone())),
            Place::Source(bundle) => Origin::Bundle(bundle),
            Place::Repository => Origin::Git { git: git_with_logins(git, publisher)?, before: &self.before },
        };
        let fetched = publisher.fetch(app, &commit, origin).await?;
        Ok(Source::Fetched(Box::new(fetched), None))
    }

    /// Publishes fetched source. Returns the pin and the code. `code` is the code of the previous entries.
    ///
    /// # Errors
    /// The app is not usable; the stop signal.
    pub async fn published(
        self,
        store: &BundleStore<'_>,
        publisher: &Publisher<'_>,
        code: &[AppCode],
    ) -> Flow<(Pin, AppCode)> {
        let bundle = match self.source {
            Source::Image(own) => {
                // The existing pin stays, because an older image may need it.
                let of_the_image = || Pin::of(self.app, own.app(), Commit::Baked);
                return Ok((self.pinned.cloned().unwrap_or_else(of_the_image), own));
            }
            Source::Bundle(bundle) | Source::Unbuilt(bundle) => bundle,
            Source::Absent => unreachable!("every entry was fetched before"),
            Source::Fetched(fetched, unbuilt) => {
                let others: Vec<Bundle> = bundles_of(code).cloned().collect();
                let published = publisher.publish(*fetched, &others).await;
                published.or_else(|stopped| keep_unbuilt_bundle(stopped, unbuilt))?
            }
        };
        Ok((store.pin(self.app, &bundle), AppCode::Bundle(bundle)))
    }

    /// The app's name and required apps, if they are known already.
    pub(super) fn known(&self, image: &Image) -> Option<(&str, Vec<String>)> {
        match &self.source {
            Source::Image(code) => Some((code.app(), code.required_apps(image))),
            Source::Bundle(Bundle { manifest, .. }) | Source::Unbuilt(Bundle { manifest, .. }) => {
                Some((&manifest.app, manifest.required_apps.clone()))
            }
            Source::Fetched(fetched, _) => {
                Some((&fetched.package.app, fetched.package.required_apps.clone()))
            }
            Source::Absent => None,
        }
    }
}

/// Refuses duplicate entries and cycles as far as they are known. An app that is not fetched yet counts as requiring
/// nothing.
///
/// # Errors
/// 78 for two entries of one app, and for apps that require each other.
pub fn refuse_duplicates_and_cycles(entries: &[Entry<'_>], image: &Image) -> Result<()> {
    let mut known: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut names, mut to_come) = (Vec::new(), Vec::new());
    for entry in entries {
        let Some((app, required)) = entry.known(image) else {
            to_come.push(entry.app.probable_package());
            continue;
        };
        names.push(app);
        if known.insert(app, required).is_some() {
            let cause = format!("{} and another entry are both app {app}", entry.app.source());
            return Err(Fault::configuration(cause, "list each app once").named(Refusal::DuplicateApp));
        }
    }
    let of_the_image = |app: &str| image.apps.get(app).filter(|_| !to_come.iter().any(|other| other == app));
    let requires = |app: &str| {
        let required = known.get(app).or_else(|| of_the_image(app).map(|baked| &baked.required_apps));
        // A missing app is reported after everything is fetched.
        Some(required.cloned().unwrap_or_default())
    };
    order(names, requires).map(drop).map_err(|unordered| unordered.fault(required_app_missing))
}

/// Opens git when it is first needed, because this writes the logins to disk.
fn git_with_logins<'b, 'g>(git: &'b mut Option<Git<'g>>, publisher: &Publisher<'g>) -> Result<&'b Git<'g>> {
    Ok(match git {
        Some(git) => git,
        None => git.insert(Git::open(publisher.pod)?),
    })
}

/// Keeps the unbuilt bundle after a fault: the site was served with it until now, so the fault is only logged.
fn keep_unbuilt_bundle(stopped: Stopped, unbuilt: Option<Bundle>) -> Flow<Bundle> {
    let (Stopped::Fault(fault), Some(bundle)) = (&stopped, unbuilt) else { return Err(stopped) };
    tracing::error!(
        event = "app.build_failed_again",
        app = bundle.manifest.app,
        cause = fault.cause,
        refusal = fault.refusal_name(),
        "building the app's assets failed: its own pages stay missing until a later leader can build them"
    );
    Ok(bundle)
}
