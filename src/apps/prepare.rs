//! From the wanted list to the code of every app.

use std::path::Path;

use super::bundle::{self, Bundle};
use super::pins::{Commit, Pin, Pins};
use super::python::Python;
use super::{AppCode, Context, wanted};
use crate::config::Config;
use crate::frappe::bench::Bench;
use crate::outcome::{Fault, Result, Stopped};

/// For the leader, under the lock: the code of every wanted app, in the order in which they depend on
/// each other. What is not pinned is resolved, what is pinned and not there is published.
///
/// # Errors
/// What kept an app from being published; the signal that asked for a stop. What runs is ended then, and
/// nothing half-made stays where anybody looks.
pub async fn prepare(context: &Context<'_>) -> std::result::Result<Vec<AppCode>, Stopped> {
    if let Some(signal) = context.shutdown.signal() {
        return Err(Stopped::Signal(signal));
    }
    match joined(context)? {
        Some(code) => Ok(code),
        None => Err(Fault::try_again("the wanted apps are not published", "publish them").into()),
    }
}

/// For whoever follows: the code of every wanted app, as the leader pinned it; none while it is not
/// published yet. Milliseconds: no program is run.
pub fn joined(context: &Context<'_>) -> Result<Option<Vec<AppCode>>> {
    joined_by(context.config, context.bench)
}

/// The same, for who has nothing else.
pub fn joined_by(config: &Config, bench: &Bench) -> Result<Option<Vec<AppCode>>> {
    let apps = &config.apps;
    if apps.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let cauldron = bench.cauldron();
    let Some(pins) = Pins::read(&Pins::path(&cauldron, &wanted::digest(apps)))? else { return Ok(None) };
    let python = Python::of(bench)?;
    let code: Result<Vec<Option<AppCode>>> =
        pins.apps.iter().map(|pin| open(&cauldron, &python, pin)).collect();
    Ok(code?.into_iter().collect())
}

fn open(cauldron: &Path, python: &Python, pin: &Pin) -> Result<Option<AppCode>> {
    let commit = match &pin.commit {
        Commit::Baked => return Ok(Some(AppCode::Baked { app: pin.app.clone() })),
        Commit::At(commit) => commit,
    };
    let root = cauldron.join("bundles").join(&pin.app).join(bundle::key(commit, python));
    if !root.exists() {
        return Ok(None);
    }
    Bundle::open(root).map(|bundle| Some(AppCode::Bundle(bundle)))
}
