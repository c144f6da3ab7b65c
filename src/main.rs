//! cauldron-frappe: PID 1 for Frappe and ERPNext containers.
//!
//! The rooms of the source. A room imports only rooms below its own line; tests/layers.rs holds that.
//!
//! ```text
//!   commands       one command line, from its configuration to its exit code
//!   doctor         looks at all of it, and changes nothing
//!   roles          web, worker, scheduler, socketio: what each runs, and whether it works
//!   embedded       PostgreSQL and Redis in this container
//!   bring_up       from a server and a volume to a site that can be served: lead, or follow who leads
//!   migrate        who may migrate, when, in which order, and what happens when it fails
//!   install        apps on the site
//!   create         the site itself: login, role, database, new-site, what a cut-off creation left
//!   site_state     what there is of a site, and what may be done about it
//!   leader         work under the lock: lock, takeover, heartbeat, steps, backup
//!   code           what this pod's code is to the database
//!   health_port    the probes' port, and its clients
//!   front          the web port
//!   overlay        what this pod sees of the bench: its own sites folder, PYTHONPATH, assets
//!   apps           custom apps from Git: pins, bundles, requirements, assets
//!   fingerprint    a digest of what migrate reads of an app
//!   pod            what every part of a running process has
//!   status         what is known of this process, for probes, metrics and pages
//!   deps           waits for PostgreSQL and Redis
//!   supervise      the process kernel: signals, spawning, reaping, stopping, output
//!   record         all that is persisted, typed: tables, files on the volume
//!   frappe         the one place that knows Frappe: commands, settings, tables, queues
//!   redis_client   the one place that opens Redis connections
//!   postgres       the one place that opens PostgreSQL connections, and that needs PostgreSQL
//!   net            the steps of a client connection: name, address, TLS
//!   cli            the command line
//!   config         every setting, read once and validated
//!   bench          where things are in a bench, and how its files are written
//!   tick           when an idle pod looks: all at the same moments
//!   backoff        how long to wait before the next try
//!   telemetry      log lines, standard output, the termination message
//!   sys            all unsafe code, and what is particular to Linux
//!   outcome        faults, and the exit codes they end with
//! ```
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]
// One writer for standard output and error: telemetry's sink.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod apps;
mod backoff;
mod bench;
mod bring_up;
mod cli;
mod code;
mod commands;
mod config;
mod create;
mod deps;
mod doctor;
mod embedded;
mod fingerprint;
mod frappe;
mod front;
mod health_port;
mod install;
mod leader;
mod migrate;
mod net;
mod outcome;
mod overlay;
mod pod;
mod postgres;
#[cfg(test)]
mod readme;
mod record;
mod redis_client;
mod roles;
mod site_state;
mod status;
mod supervise;
mod sys;
mod telemetry;
mod tick;

use std::process::ExitCode;

fn main() -> ExitCode {
    sys::signals::block_all();
    sys::descriptor::close_on_exec();
    telemetry::panic::install_hook();
    let cli = match cli::Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // In clap's colours; nothing runs yet that a reader could hold up.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { outcome::USAGE } else { outcome::DONE });
        }
    };
    tick::begin();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            telemetry::tell(&format!("error: no event loop: {error}"));
            telemetry::flush();
            return ExitCode::from(outcome::BUG);
        }
    };
    let code = runtime.block_on(commands::run(cli));
    // A name look-up may still hang in its thread; nobody waits for it.
    runtime.shutdown_background();
    ExitCode::from(code)
}
