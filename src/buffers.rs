//! Buffered bodies: their budget in memory and in the runtime folder, the wait for room, and who gives way.

pub mod bounds;
pub mod budget;
pub mod keeping;
pub mod room;
pub mod runtime;
pub mod slow_bodies;
pub mod spool_file;
