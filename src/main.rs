//! cauldron-frappe: PID 1 for Frappe and ERPNext containers.
//!
//! The rooms (top-level modules) of the source. A room imports only rooms below its own line; tests/layers.rs
//! checks that.
//!
//! ```text
//!   commands       the commands: each from its configuration to its exit code
//!   doctor         examines settings, servers, volume and site; changes nothing
//!   roles          web, worker, scheduler, socketio: the processes of each, and its health
//!   verify_backup  proves a backup: restored into scratch, counted, and served by Frappe's code
//!   scratch        a private PostgreSQL, Redis and bench in a folder that is deleted, from which nothing gets out
//!   embedded       PostgreSQL and Redis in this container
//!   restore        restores a site from a backup or from bench's archives
//!   bring_up       from a server and a volume to a site that can be served: as leader or follower
//!   take_backup    takes a backup of the site into the repository, and forgets old ones
//!   migrate        the gate: who may migrate, when, in which order, and what happens on failure
//!   install        installs and uninstalls apps on the site
//!   create         creates the site: login, role, database, new-site; clears an interrupted creation
//!   site_state     observes a site, and decides what may be done to it
//!   leader         work under the advisory lock: takeover, heartbeat, steps, backup
//!   code           how this pod's code relates to the database
//!   health_port    the port of the probes, and its clients
//!   front          the web port: connections, and requests to gunicorn and socketio
//!   logins         the limit of failed logins
//!   headers        headers that Frappe gets, and those that protect its pages
//!   clients        who asks: address, scheme, host and proxy of a client
//!   pages          our own pages and messages
//!   static_files   files for browsers: from a path to a response
//!   buffers        buffered bodies: their budget in memory and in the runtime folder
//!   overlay        this pod's view of the bench: its own sites folder, PYTHONPATH, assets
//!   apps           custom apps from Git: pins, bundles, requirements, assets
//!   web_files      files for browsers: their types, and the compressed files beside them
//!   fingerprint    a digest of the files of an app that migrate reads
//!   backups        what a backup is: its id, tags and manifest; which ones a repository has, and which are kept
//!   restic         runs the program restic, which keeps the backups
//!   pod            shared by all parts of a running process: configuration, status, children, stop request
//!   status         the state of this process, for probes, metrics and pages
//!   deps           waits for PostgreSQL and Redis
//!   supervise      process supervision: signals, spawning, reaping, stopping, output
//!   record         all persistent state, typed: tables, files on the volume
//!   frappe         all knowledge of Frappe: commands, settings, tables, queues
//!   redis_client   opens all Redis connections
//!   postgres       opens all PostgreSQL connections; all SQL that is particular to PostgreSQL
//!   net            the steps of a client connection: name, address, TLS
//!   cli            the command line
//!   config         all settings, read once and validated
//!   bench          paths in a bench, and writing its files
//!   tick           shared wake-ups of periodic tasks, so that an idle pod wakes up rarely
//!   backoff        the pause before the next try
//!   telemetry      the log, standard output, the termination message
//!   sys            all unsafe code, and all code particular to Linux
//!   outcome        faults, refusals and exit codes
//! ```
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]
// Only telemetry's sink writes to standard output and error.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod apps;
mod backoff;
mod backups;
mod bench;
mod bring_up;
mod buffers;
mod cli;
mod clients;
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
mod headers;
mod health_port;
mod install;
mod leader;
mod logins;
mod migrate;
mod net;
mod outcome;
mod overlay;
mod pages;
mod pod;
mod postgres;
#[cfg(test)]
mod readme;
mod record;
mod redis_client;
mod restic;
mod restore;
mod roles;
mod scratch;
mod site_state;
mod static_files;
mod status;
mod supervise;
mod sys;
mod take_backup;
mod telemetry;
mod tick;
mod verify_backup;
mod web_files;

use std::process::ExitCode;

fn main() -> ExitCode {
    sys::signals::block_all();
    sys::descriptor::close_on_exec();
    telemetry::panic::install_hook();
    let cli = match cli::Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Printed by clap, for its colours. A stalled reader can block here: nothing runs yet.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { outcome::USAGE } else { outcome::DONE });
        }
    };
    tick::begin();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            telemetry::print_error(&format!("error: cannot start the event loop: {error}"));
            telemetry::flush();
            return ExitCode::from(outcome::BUG);
        }
    };
    let code = runtime.block_on(commands::run(cli));
    // Does not wait for blocking threads: a DNS lookup may still hang in one.
    runtime.shutdown_background();
    ExitCode::from(code)
}
