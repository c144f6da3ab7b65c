//! From the wanted list to the code of every app.
//!
//! ```text
//!   entry ─▶ the image satisfies it ────────────────────────────▶ the image's own
//!     └────▶ pinned ─┬─▶ its bundle is there ───────────────────▶ that
//!            or resolved ─▶ fetched and published ──────────────▶ that, pinned when all of them are there
//! ```
//!
//! A branch moves only where CAULDRON_APPS_UPDATE has a value that has not moved it yet. With pins and
//! bundles on the volume nothing is asked of any repository.

use std::path::Path;
use std::time::SystemTime;

use super::bundle::Bundle;
use super::collect::collect;
use super::git::Git;
use super::history::History;
use super::order::{in_order, refuse_contradictions};
use super::pins::{Commit, Pin, Pins};
use super::publish::{Origin, Publisher};
use super::shelf::{Shelf, Store};
use super::{AppCode, Context, wanted};
use crate::bench::atomic_file::write_whole;
use crate::config::apps::{OF_THE_IMAGE, WantedApp};
use crate::outcome::{Fault, Result, Stopped};

/// For the leader, under the lock: the code of every wanted app, in the order in which they depend on
/// each other. What is not pinned is resolved, what is pinned and not there is published.
///
/// # Errors
/// What kept an app from being published; the signal that asked for a stop. What runs is ended then, and
/// nothing half-made stays where anybody looks.
pub async fn prepare(context: &Context<'_>) -> std::result::Result<Vec<AppCode>, Stopped> {
    if context.config.apps.is_empty() {
        return Ok(Vec::new());
    }
    let work = Work::new(context, Store::Volume)?;
    let code = work.run().await?;
    collect(&work.shelf.bundles(), &History::read(&work.shelf.cauldron)?, SystemTime::now());
    Ok(code)
}

/// At image build time: the same, into a folder of the image. What `apps/` has already is left to it. The list stays in
/// the image, without any login, and is what its pods want where they are told nothing else.
///
/// # Errors
/// As [`prepare`].
pub async fn fetch(context: &Context<'_>) -> std::result::Result<Vec<AppCode>, Stopped> {
    let work = Work::new(context, Store::Image)?;
    let code = work.run().await?;
    let list = work.shelf.cauldron.join(OF_THE_IMAGE);
    let mut text = serde_json::to_vec(&context.config.apps).expect("the list is JSON");
    text.push(b'\n');
    write_whole(&list, &text, 0o644)
        .map_err(|error| Fault::file(format!("cannot write {}", list.display()), &error))?;
    Ok(code)
}

struct Work<'a> {
    context: &'a Context<'a>,
    shelf: Shelf<'a>,
}

/// One of the list, and what was pinned of it.
struct Entry<'a> {
    app: &'a WantedApp,
    /// None where its branch is to move.
    pinned: Option<&'a Pin>,
    /// Commits of the same source that have bundles, the one that was pinned last in front.
    before: Vec<String>,
}

impl<'a> Work<'a> {
    fn new(context: &'a Context<'a>, store: Store) -> Result<Self> {
        Ok(Self { context, shelf: Shelf::open(context.config, context.bench, store)? })
    }

    async fn run(&self) -> std::result::Result<Vec<AppCode>, Stopped> {
        let (config, shelf) = (self.context.config, &self.shelf);
        let path = shelf.pins_path();
        let mut history = History::read(&shelf.cauldron)?;
        let own = Pins::read(&path)?;
        let before = self.before(own.as_ref(), &history)?;
        let moves = !before.has_moved(config.apps_update.as_ref());
        let mut git = None;
        let mut pins = Pins { updates: before.updates.clone(), apps: Vec::new() };
        pins.updates.extend(config.apps_update.clone().filter(|_| moves));
        let mut code: Vec<AppCode> = Vec::new();
        for app in &config.apps {
            let pinned = before.pin_of(app);
            let (pin, one) = match shelf.of_the_image(app) {
                // An older image may need what was pinned before.
                Some(own) => (pinned.cloned().unwrap_or_else(|| Pin::of(app, own.app(), Commit::Baked)), own),
                None => {
                    let pinned = pinned.filter(|_| !moves || !wanted::may_move(app));
                    let last = before.pin_of_source(app);
                    let published = last.map(|pin| shelf.commits_before(pin)).unwrap_or_default();
                    let entry = Entry { app, pinned, before: published };
                    let bundle = self.publish(&entry, &code, &mut git).await?;
                    (shelf.pin(app, &bundle), AppCode::Bundle(bundle))
                }
            };
            if let Some(other) = code.iter().find(|other| other.app() == one.app()) {
                let cause = format!("{} and another entry are both app {}", wanted::source(app), other.app());
                return Err(Fault::configuration(cause, "name each app once").into());
            }
            pins.apps.push(pin);
            code.push(one);
        }
        refuse_contradictions(&code)?;
        let ordered = in_order(code, &shelf.image)?;
        if own.as_ref() != Some(&pins) {
            pins.write(&path)?;
        }
        let bundles = shelf.bundles();
        let in_use = bundles_of(&ordered).filter_map(|bundle| bundle.root.strip_prefix(&bundles).ok());
        let in_use = in_use.map(Path::to_path_buf).collect();
        history.record(&shelf.cauldron, &wanted::digest(&config.apps), in_use, SystemTime::now())?;
        Ok(ordered)
    }

    /// The pins of this list, else those of the list before it: an entry that is still there keeps its own.
    fn before(&self, own: Option<&Pins>, history: &History) -> Result<Pins> {
        let cauldron = &self.shelf.cauldron;
        match (own, history.last_digest()) {
            (Some(own), _) => Ok(own.clone()),
            (None, Some(digest)) => Ok(Pins::read(&Pins::path(cauldron, digest))?.unwrap_or_default()),
            (None, None) => Ok(Pins::default()),
        }
    }

    /// The bundle of an entry that the image does not satisfy.
    async fn publish(
        &self,
        entry: &Entry<'_>,
        code: &[AppCode],
        git: &mut Option<Git<'a>>,
    ) -> std::result::Result<Bundle, Stopped> {
        let (shelf, app, pinned) = (&self.shelf, entry.app, entry.pinned);
        if wanted::label(app) == "frappe" {
            let has = shelf.image.apps.get("frappe").map_or("none", |baked| baked.version.as_str());
            return Err(Fault::configuration(
                format!("frappe is wanted at {}, and the image has {has}", wanted::reference(app)),
                "use an image with that Frappe: it is no app among others",
            )
            .into());
        }
        let there = pinned.and_then(|pin| shelf.bundle_of(pin));
        match there {
            Some(bundle) if shelf.lacks_assets(app, &bundle) => {
                let built = self.publish_anew(entry, code, git).await;
                built.or_else(|stopped| unbuilt_for_now(stopped, bundle))
            }
            Some(bundle) => Ok(bundle),
            None => self.publish_anew(entry, code, git).await,
        }
    }

    async fn publish_anew(
        &self,
        entry: &Entry<'_>,
        code: &[AppCode],
        git: &mut Option<Git<'a>>,
    ) -> std::result::Result<Bundle, Stopped> {
        let (shelf, app, pinned) = (&self.shelf, entry.app, entry.pinned);
        let commit = match pinned.map(|pin| &pin.commit) {
            Some(Commit::At(commit)) => commit.clone(),
            _ => self.git(git)?.resolve(app).await?,
        };
        if let Some(bundle) = shelf.any_bundle_at(app, &commit) {
            return Ok(bundle);
        }
        let others: Vec<Bundle> = bundles_of(code).cloned().collect();
        let (python, baked, bundles) = (&shelf.python, &shelf.image.versions(), shelf.bundles());
        let before = entry.before.clone();
        let publisher = Publisher { context: self.context, python, bundles, baked, others: &others, before };
        // A new image, or another Python: no repository is needed for what is here already.
        let source = pinned.and_then(|pin| shelf.any_source_of(app, pin, &commit));
        let origin = match &source {
            Some(bundle) => Origin::Bundle(bundle),
            None => Origin::Git(self.git(git)?),
        };
        publisher.publish(app, &commit, origin).await
    }

    /// Its logins are written down when they are needed.
    fn git<'b>(&self, git: &'b mut Option<Git<'a>>) -> Result<&'b Git<'a>> {
        Ok(match git {
            Some(git) => git,
            None => git.insert(Git::open(self.context)?),
        })
    }
}

/// The site was served with this bundle until now, and is not taken away for what it lacked all the time.
fn unbuilt_for_now(stopped: Stopped, bundle: Bundle) -> std::result::Result<Bundle, Stopped> {
    let Stopped::Fault(fault) = stopped else { return Err(stopped) };
    tracing::error!(
        app = bundle.manifest.app,
        cause = fault.cause,
        "its user interface or assets were never built, and cannot be now: its own pages are missing; the next leader tries again"
    );
    Ok(bundle)
}

fn bundles_of(code: &[AppCode]) -> impl Iterator<Item = &Bundle> {
    code.iter().filter_map(|code| match code {
        AppCode::Bundle(bundle) => Some(bundle),
        AppCode::Baked { .. } => None,
    })
}
