//! All unsafe code, and what is particular to Linux: signal masks, file descriptors, /proc.
#![allow(unsafe_code)]

pub mod signals;
