//! Real servers and benches for tests: each private, in its own folder and on its own port, removed when dropped.
#![allow(dead_code)] // Every test file uses only a part.

pub mod barrier;
pub mod bench;
pub mod binary;
pub mod ca;
pub mod generation;
pub mod git;
pub mod guard;
pub mod h2;
pub mod http;
pub mod identity;
pub mod load;
pub mod made_app;
pub mod other_app;
pub mod page;
pub mod pooler;
pub mod port;
pub mod postgres;
pub mod postgres_template;
pub mod postgres_wheel;
pub mod prepared;
pub mod previous_release;
pub mod proxy;
pub mod recorder;
pub mod redis;
pub mod running;
pub mod session;
pub mod skip;
pub mod small;
pub mod snapshot;
pub mod stage;
pub mod trace;
pub mod tree;
pub mod usage;
pub mod wait;
pub mod web;
