//! Buffered bodies: their budget in memory and in the runtime folder, and the wait for room.

pub mod bounds;
pub mod budget;
pub mod keeping;
pub mod room;
pub mod runtime;
pub mod spool_file;
