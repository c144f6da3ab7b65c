//! What this pod sees of the bench: its own `sites` folder, PYTHONPATH and assets, in milliseconds, in
//! step with what can be imported here (docs/design.md#overlay-of-a-pod).
//!
//! ```text
//!   apps (bundles) ─┐
//!   image's apps/  ─┼─▶ roots (PYTHONPATH) ─▶ view (apps.txt, links) ─▶ every child
//!   live (links)   ─┘                    └──▶ assets ─▶ published (the union), caches (assets_json)
//!                                keep: the same again while others install apps
//! ```

mod assets;
pub mod caches;
pub mod keep;
pub mod published;
mod roots;
pub mod signs;
mod view;

pub use self::roots::Roots;
pub use self::view::{Joined, View};
