//! What a role runs, how it is asked whether it works, and how it is stopped.

pub mod run;
mod sizing;
mod stopping;
pub mod web;
