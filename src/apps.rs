//! Custom apps from Git, the same commit for every role of every pod (docs/design.md#apps-from-git).
//!
//! ```text
//!   wanted list ─▶ baked? ─▶ resolve ─▶ fetch ─▶ order ─▶ requirements ─▶ assets ─▶ verify ─▶ rename ─▶ pin
//! ```
//!
//! The leader does all of it, under the lock ([`prepare`]); every other pod reads the pins and opens the bundles
//! ([`published_apps`]). A bundle in its final place is complete, and never changes.

mod assets;
mod baked;
pub mod bundle;
mod bundle_store;
mod collect;
mod copy_to_volume;
pub mod git;
mod history;
mod order;
mod package;
pub mod pins;
pub mod pins_copy;
mod prepare;
mod program;
mod publish;
mod python;
mod report;
mod requirements;
pub mod shared_apps;
mod source_tree;
mod staging;
mod wanted_on_the_site;

use self::baked::Image;
pub use self::baked::recorded_in_git;
use self::bundle::Bundle;
pub use self::bundle_store::{published_apps, published_apps_of};
pub use self::copy_to_volume::copy_to_volume;
pub use self::order::order;
pub use self::prepare::{Foreseen, Work, fetch, foresee, prepare};
pub use self::publish::{fetch_step, publish_step};
pub use self::report::list;
pub use self::wanted_on_the_site::wanted_on_the_site;

/// The code of one app, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // A pod has only a few of them.
pub enum AppCode {
    /// In the bench's own `apps/`, importable without this program.
    Baked {
        app: String,
    },
    Bundle(Bundle),
}

fn bundles_of(code: &[AppCode]) -> impl Iterator<Item = &Bundle> {
    code.iter().filter_map(|code| match code {
        AppCode::Bundle(bundle) => Some(bundle),
        AppCode::Baked { .. } => None,
    })
}

impl AppCode {
    /// The package that contains hooks.py.
    pub fn app(&self) -> &str {
        match self {
            Self::Baked { app } => app,
            Self::Bundle(bundle) => &bundle.manifest.app,
        }
    }

    fn required_apps(&self, image: &Image) -> Vec<String> {
        match self {
            Self::Baked { app } => image.apps.get(app).map(|baked| baked.required_apps.clone()),
            Self::Bundle(bundle) => Some(bundle.manifest.required_apps.clone()),
        }
        .unwrap_or_default()
    }
}
