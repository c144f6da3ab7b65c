//! The overlay: this pod's own `sites` folder, PYTHONPATH and assets, made in milliseconds from the apps that can be
//! imported here (docs/design.md#overlay-of-a-pod).
//!
//! ```text
//!   apps (bundles) ─┐
//!   image's apps/  ─┼─▶ roots (PYTHONPATH) ─▶ bench_overlay (apps.txt, links) ─▶ every child
//!   live (links)   ─┘                    └──▶ assets ─▶ published (the union), caches (assets_json)
//!                                sync: repeats this while other pods install apps
//! ```

mod assets;
mod bench_overlay;
pub mod caches;
mod code_digest;
pub mod pod_registry;
pub mod published;
mod roots;
pub mod sync;

pub use self::bench_overlay::{BenchOverlay, OverlayPaths};
pub use self::roots::Roots;
