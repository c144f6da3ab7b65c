//! `wait-deps` against real servers: the failure of each step, *not yet* states that become ready, and *never* states.

mod support;

#[path = "wait_deps/dns.rs"]
mod dns;
#[path = "wait_deps/login.rs"]
mod login;
#[path = "wait_deps/name_server.rs"]
mod name_server;
#[path = "wait_deps/pooler.rs"]
mod pooler;
#[path = "wait_deps/postgres.rs"]
mod postgres;
#[path = "wait_deps/redis.rs"]
mod redis;
#[path = "wait_deps/report.rs"]
mod report;
#[path = "wait_deps/term.rs"]
mod term;
#[path = "wait_deps/tls.rs"]
mod tls;
#[path = "wait_deps/waiting.rs"]
mod waiting;
