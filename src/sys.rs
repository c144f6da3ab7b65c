//! All unsafe code, and everything specific to Linux: signal masks, file descriptors, /proc.
#![allow(unsafe_code)]

pub mod bounded_file;
pub mod cgroup;
pub mod descriptor;
pub mod environment;
pub mod exec;
pub mod exit;
pub mod file;
pub mod filesystem;
pub mod folder_watch;
pub mod isolation;
pub mod limits;
pub mod pidfd;
pub mod priority;
pub mod proc;
pub mod process;
pub mod signals;
pub mod socket;
pub mod terminal;
pub mod wait;
