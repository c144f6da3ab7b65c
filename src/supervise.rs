//! The process kernel: signals, spawning, reaping, stopping, and the output of children.

pub mod signals;
