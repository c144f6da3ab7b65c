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
mod bench_overlay;
pub mod caches;
pub mod pod_registry;
pub mod published;
mod roots;
pub mod sync;

pub use self::bench_overlay::{BenchOverlay, Joined};
pub use self::roots::Roots;
