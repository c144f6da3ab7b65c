//! One entry of the wanted list, on its way to the code of its app.
//!
//! ```text
//!   look ─▶ Image, Bundle ─────────────────────────────────▶ published: that
//!        ─▶ Unbuilt, Absent ─▶ fetch ─▶ Bundle ────────────▶
//!                                    ─▶ Fetched ───────────▶ published: a new bundle
//! ```

use std::collections::BTreeMap;

use super::super::baked::Image;
use super::super::bundle::Bundle;
use super::super::bundle_store::BundleStore;
use super::super::git::Git;
use super::super::order::{not_wanted, order};
use super::super::pins::{Commit, Pin, Pins};
use super::super::publish::{Fetched, Origin, Publisher};
use super::super::{AppCode, bundles_of};
use crate::config::apps::AppSpec;
use crate::outcome::{Fault, Flow, Result, Stopped};

/// One of the list, what was pinned of it, and where its code is.
pub struct Entry<'a> {
    app: &'a AppSpec,
    /// None where its branch is to move.
    pinned: Option<&'a Pin>,
    /// Commits of the same source that have bundles, the one that was pinned last in front.
    before: Vec<String>,
    source: Source<'a>,
}

enum Source<'a> {
    Image(AppCode),
    Bundle(Bundle),
    /// Its assets were not built, and can be now.
    Unbuilt(Bundle),
    Absent,
    /// With the unbuilt bundle that it is to replace.
    Fetched(Box<Fetched<'a>>, Option<Bundle>),
}

impl<'a> Entry<'a> {
    /// What is there already.
    ///
    /// # Errors
    /// 78 for another Frappe than the image has.
    pub fn look(app: &'a AppSpec, store: &BundleStore<'_>, before: &'a Pins, moves: bool) -> Result<Self> {
        let pinned = before.pin_of(app);
        if let Some(own) = store.of_the_image(app) {
            return Ok(Self { app, pinned, before: Vec::new(), source: Source::Image(own) });
        }
        if app.label() == "frappe" {
            let has = store.image.apps.get("frappe").map_or("none", |baked| baked.version.as_str());
            return Err(Fault::configuration(
                format!("frappe is wanted at {}, and the image has {has}", app.reference()),
                "use an image with that Frappe: it is no app among others",
            ));
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

    /// Fetches what is not there. Whether it did.
    ///
    /// # Errors
    /// What is wrong with the app or its repository; the signal that asked for a stop.
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
        self.source = match self.fetch_anew(store, publisher, git).await {
            Ok(Source::Fetched(fetched, _)) => Source::Fetched(fetched, unbuilt),
            Ok(source) => source,
            Err(stopped) => Source::Bundle(unbuilt_for_now(stopped, unbuilt)?),
        };
        Ok(true)
    }

    async fn fetch_anew<'g>(
        &self,
        store: &BundleStore<'_>,
        publisher: &Publisher<'g>,
        git: &mut Option<Git<'g>>,
    ) -> Flow<Source<'a>> {
        let (app, pinned) = (self.app, self.pinned);
        let commit = match pinned.map(|pin| &pin.commit) {
            Some(Commit::At(commit)) => commit.clone(),
            _ => opened(git, publisher)?.resolve(app).await?,
        };
        if let Some(bundle) = store.any_bundle_at(app, &commit) {
            return Ok(Source::Bundle(bundle));
        }
        // A new image, or another Python: no repository is needed for what is here already.
        let source = pinned.and_then(|pin| store.any_source_of(app, pin, &commit));
        let origin = match &source {
            Some(bundle) => Origin::Bundle(bundle),
            None => Origin::Git { git: opened(git, publisher)?, before: &self.before },
        };
        let fetched = publisher.fetch(app, &commit, origin).await?;
        Ok(Source::Fetched(Box::new(fetched), None))
    }

    /// Publishes what was fetched; the pin and the code. `code` is that of the entries before.
    ///
    /// # Errors
    /// What is wrong with the app; the signal that asked for a stop.
    pub async fn published(
        self,
        store: &BundleStore<'_>,
        publisher: &Publisher<'_>,
        code: &[AppCode],
    ) -> Flow<(Pin, AppCode)> {
        let bundle = match self.source {
            Source::Image(own) => {
                // An older image may need what was pinned before.
                let of_the_image = || Pin::of(self.app, own.app(), Commit::Baked);
                return Ok((self.pinned.cloned().unwrap_or_else(of_the_image), own));
            }
            Source::Bundle(bundle) | Source::Unbuilt(bundle) => bundle,
            Source::Absent => unreachable!("every entry was fetched before"),
            Source::Fetched(fetched, unbuilt) => {
                let others: Vec<Bundle> = bundles_of(code).cloned().collect();
                let published = publisher.publish(*fetched, &others).await;
                published.or_else(|stopped| unbuilt_for_now(stopped, unbuilt))?
            }
        };
        Ok((store.pin(self.app, &bundle), AppCode::Bundle(bundle)))
    }

    /// Its name and what it requires, as far as that is known.
    fn known(&self, image: &Image) -> Option<(&str, Vec<String>)> {
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

/// Refuses what can be refused before all is fetched. An app that is still to be fetched requires nothing yet.
///
/// # Errors
/// 78 for two entries of one app, and for apps that require each other.
pub fn refuse_twice_and_circles(entries: &[Entry<'_>], image: &Image) -> Result<()> {
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
            return Err(Fault::configuration(cause, "name each app once"));
        }
    }
    let of_the_image = |app: &str| image.apps.get(app).filter(|_| !to_come.iter().any(|other| other == app));
    let requires = |app: &str| {
        let required = known.get(app).or_else(|| of_the_image(app).map(|baked| &baked.required_apps));
        // One that is nowhere is told when everything is there.
        Some(required.cloned().unwrap_or_default())
    };
    order(names, requires).map(drop).map_err(|unordered| unordered.fault(not_wanted))
}

/// Its logins are written down when they are needed.
fn opened<'b, 'g>(git: &'b mut Option<Git<'g>>, publisher: &Publisher<'g>) -> Result<&'b Git<'g>> {
    Ok(match git {
        Some(git) => git,
        None => git.insert(Git::open(publisher.pod)?),
    })
}

/// The site was served with this bundle until now, and is not taken away for what it lacked all the time.
fn unbuilt_for_now(stopped: Stopped, unbuilt: Option<Bundle>) -> Flow<Bundle> {
    let (Stopped::Fault(fault), Some(bundle)) = (&stopped, unbuilt) else { return Err(stopped) };
    tracing::error!(
        app = bundle.manifest.app,
        cause = fault.cause,
        "its user interface or assets were never built, and cannot be now: its own pages are missing; the next leader tries again"
    );
    Ok(bundle)
}
