//! cauldron-frappe: PID 1 for Frappe and ERPNext containers.
//!
//! The rooms, in the order data flows: `cli` and `config` (what was asked), `deps` (wait), `frappe`
//! (the one place that knows Frappe), `apps` (custom apps from Git), `join` (what this pod sees of them), `install` (apps
//! on the site), `bootstrap` (site), `gate` (migrations), `role` (what to run), `front` (the web port), `supervise` (the process kernel),
//! `health` (probes), `doctor` (looks at all of it), `beat` (when an idle pod looks), `outcome` (exit codes). `main` is the pipeline.
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod apps;
mod beat;
mod bootstrap;
mod cli;
mod config;
mod deps;
mod doctor;
mod embedded;
mod frappe;
mod front;
mod gate;
mod health;
mod install;
mod join;
mod net;
mod outcome;
mod pipeline;
mod postgres;
#[cfg(test)]
mod readme;
mod redis_client;
mod role;
mod supervise;
mod sys;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = apps::git::askpass::asked() {
        return code;
    }
    sys::signals::block_all();
    sys::descriptor::close_on_exec();
    telemetry::panic::install_hook();
    let cli = match cli::Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { outcome::USAGE } else { outcome::DONE });
        }
    };
    beat::begin();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no event loop: {error}");
            return ExitCode::from(outcome::BUG);
        }
    };
    let code = runtime.block_on(pipeline::run(cli));
    // A name look-up may still hang in its thread; nobody waits for it.
    runtime.shutdown_background();
    ExitCode::from(code)
}
