//! Supervision of child processes: signals, spawning, reaping, stopping, and output.

pub mod hooks;
mod lines;
pub mod orders;
pub mod output;
mod plan;
pub mod process;
pub mod program_version;
mod reaper;
pub mod relay;
pub mod run_service;
pub mod service;
pub mod signals;
pub mod spawn;
pub mod stop;
mod sweep;

#[cfg(test)]
mod tests;
