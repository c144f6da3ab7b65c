//! The stage of the tests of `bootstrap`, and steps that stop or are killed.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::barrier::Barrier;
use crate::support::bench::Bench;
use crate::support::binary::Binary;
use crate::support::generation::Generation;
use crate::support::postgres::Postgres;
use crate::support::redis::Redis;
use crate::support::stage::Stage;
use crate::support::web::Web;

pub const SITE: &str = "erp.test";
pub const DATABASE: &str = "frappe";

/// Servers and a bench, without a site.
pub fn empty() -> Stage {
    on(Postgres::start())
}

pub fn on(postgres: Postgres) -> Stage {
    with(postgres, Bench::sample())
}

/// Servers and a bench of this generation, without a site.
pub fn of(generation: Generation) -> Stage {
    with(Postgres::start(), Bench::sample_of(generation))
}

fn with(postgres: Postgres, bench: Bench) -> Stage {
    Stage::with(SITE, DATABASE, postgres, Redis::start(), bench).set("CAULDRON_WAIT_TIMEOUT", "20s")
}

/// Makes Frappe's steps stop at the barrier.
pub fn held_at(binary: Binary, barrier: &Barrier) -> Binary {
    barrier.environment().into_iter().fold(binary, |binary, (name, value)| binary.set(name, value))
}

/// Kills a step, not the pod that runs it.
pub fn kill_9(pid: u32) {
    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("a step to kill");
}

/// Makes a manifest one of the web role.
pub fn of_web(binary: Binary) -> Binary {
    binary.with_command("web").set("GUNICORN_WORKERS", "1")
}

/// Starts the web role on a manifest, and waits until it is ready.
#[track_caller]
pub fn served(binary: Binary) -> Web {
    Web::ready(of_web(binary))
}
