//! A fuzzer of the web port: random connections with HTTP/1 and HTTP/2, valid and not, to the built program with a real
//! gunicorn behind it. `cargo test` runs it for a minute, `make fuzz` for ten. Each run prints its seed;
//! CAULDRON_FUZZ_SEED repeats it, and with CAULDRON_FUZZ_CASE one connection of it.

mod support;

#[path = "fuzz/case.rs"]
mod case;
#[path = "fuzz/deliver.rs"]
mod deliver;
#[path = "fuzz/floods.rs"]
mod floods;
#[path = "fuzz/hpack.rs"]
mod hpack;
#[path = "fuzz/http1.rs"]
mod http1;
#[path = "fuzz/http2.rs"]
mod http2;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/rfc9112.rs"]
mod rfc9112;
#[path = "fuzz/run.rs"]
mod run;
#[path = "front/stage.rs"]
mod stage;
#[path = "fuzz/verdict.rs"]
mod verdict;
