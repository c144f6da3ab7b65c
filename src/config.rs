//! Configuration: strings from everywhere become validated values, once; nothing later reads the
//! environment. Loading opens no socket and writes nothing.

mod addresses;
pub mod apps;
pub mod bench_files;
#[cfg(test)]
mod canary;
pub mod database;
pub mod duration;
pub mod frappe_environment;
pub mod front;
pub mod git;
pub mod gunicorn;
pub mod host;
pub mod hosts;
mod identity;
mod lifecycle;
mod listen;
pub mod log;
mod login_signs;
pub mod origin;
mod place;
pub mod redis;
pub mod redis_url;
pub mod run;
mod secrets;
mod servers;
mod show;
mod size;
pub mod source;
pub mod trusted;
pub mod value;
pub mod variable;
pub mod workers;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

pub use self::lifecycle::{BootstrapMode, OnFailure};
pub use self::listen::Listen;
pub use self::show::print;
use self::source::Reader;
use self::value::{read_limit, read_path};
use crate::bench::Bench;
use crate::telemetry::ChildLogs;

/// What a command needs of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    pub site: bool,
    pub bench: bool,
    /// Postgres and Redis must be named, or embedded.
    pub servers: bool,
    /// Several programs share one log.
    pub many_roles: bool,
}

impl Needs {
    pub const NOTHING: Self = Self { site: false, bench: false, servers: false, many_roles: false };
    pub const BENCH: Self = Self { bench: true, ..Self::NOTHING };
    pub const SITE: Self = Self { site: true, ..Self::BENCH };
    pub const SERVERS: Self = Self { servers: true, ..Self::SITE };
}

/// Everything an operator can say, validated.
#[derive(Clone, Debug)]
pub struct Config {
    /// For reading it again.
    pub origin: origin::Origin,
    pub site: Option<String>,
    pub bench: PathBuf,
    pub runtime_dir: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub embedded: bool,
    pub database: Option<database::DatabaseConfig>,
    pub redis: redis::RedisConfig,
    pub admin_password: Option<SecretString>,
    pub site_db_password: Option<SecretString>,
    pub encryption_key: Option<SecretString>,
    pub site_url: Option<String>,
    /// Where socketio asks the web role who a page's user is, by an address of the inside.
    pub web_url: Option<String>,
    pub socketio_port: Option<u16>,
    /// The same, else what the bench's file says, else Frappe's default.
    pub socketio_listens: u16,
    pub instance: Option<String>,
    pub adopt: Option<String>,
    pub clone: Option<String>,
    /// The refusal that this overrides, by its id.
    pub allow_downgrade: Option<String>,
    /// Backups that are kept; 0 takes none.
    pub backup: usize,
    /// How long running jobs are waited for before a migration.
    pub migrate_drain: Duration,
    pub apps: apps::AppSpecs,
    /// Each new value of it moves branches once.
    pub apps_update: Option<String>,
    pub git: git::GitConfig,
    pub gunicorn: gunicorn::Gunicorn,
    pub workers: workers::Workers,
    pub front: front::FrontConfig,
    pub web_addr: Listen,
    pub health_addr: Option<Listen>,
    pub child_logs: ChildLogs,
    pub bootstrap: BootstrapMode,
    pub on_failure: OnFailure,
    /// Somebody said what is to happen; one role of `all` takes the others down only then.
    pub on_failure_given: bool,
    /// None waits for ever.
    pub wait_timeout: Option<Duration>,
    pub drain: Duration,
    pub grace: Option<Duration>,
}

/// Reads everything; what is wrong is in `reader.problems`, and then the configuration is of no use.
/// Nothing returns early: every problem is to be told at once.
pub fn load(reader: &mut Reader<'_>, needs: Needs, embedded: bool) -> Option<Config> {
    let place::Place { bench, site, files } = place::read(reader, needs);
    let (database, redis) = servers::read(reader, &files, needs.servers, embedded);
    let runtime_dir = read_path(reader, "CAULDRON_RUNTIME_DIR");
    let data_dir = read_path(reader, "CAULDRON_DATA_DIR");
    let secrets = secrets::read(reader);
    let addresses = addresses::read(reader, &files);
    let identity = identity::read(reader);
    let backup = read_backup(reader);
    let migrate_drain = read_limit(reader, "CAULDRON_MIGRATE_DRAIN", "25m");
    let bench_folder = Bench::new(bench.clone().unwrap_or_default());
    let apps = apps::read(reader, &bench_folder.image_cauldron());
    let apps_update = reader.given("CAULDRON_APPS_UPDATE").map(|given| given.value);
    let git = git::read(reader);
    let gunicorn = gunicorn::read(reader);
    let workers = workers::read(reader, &files, &bench.clone().unwrap_or_default());
    let beside = front::Beside {
        site: site.as_deref(),
        socketio_port: addresses.socketio_port,
        gunicorn: gunicorn.as_ref(),
        site_url: addresses.site_url.as_deref(),
        files: &files,
    };
    let front = front::read(reader, &beside);
    let web_addr = listen::read(reader, "CAULDRON_WEB_ADDR", 8000);
    let health_addr = listen::read_health_addr(reader);
    let child_logs = log::read_child_logs(reader, needs.many_roles);
    let lifecycle = lifecycle::read(reader);
    if !embedded {
        let settled = frappe_environment::Settled {
            site: site.as_deref(),
            database: database.as_ref(),
            redis: &redis,
            socketio_port: addresses.socketio_port,
            site_db_password: secrets.site_db_password.as_ref(),
            frappe_major: bench_folder.frappe_major(),
        };
        frappe_environment::check(reader, &files, &settled);
    }
    frappe_environment::tell_dropped(reader);
    let times = lifecycle::read_times(reader);
    Some(Config {
        origin: origin::Origin::of(&reader.seen, embedded),
        site,
        bench: bench?,
        runtime_dir,
        data_dir,
        embedded,
        database,
        redis,
        admin_password: secrets.admin_password,
        site_db_password: secrets.site_db_password,
        encryption_key: secrets.encryption_key,
        site_url: addresses.site_url,
        web_url: addresses.web_url,
        socketio_port: addresses.socketio_port,
        socketio_listens: addresses.socketio_listens,
        instance: identity.instance,
        adopt: identity.adopt,
        clone: identity.clone,
        allow_downgrade: identity.allow_downgrade,
        backup: backup?,
        migrate_drain: migrate_drain?,
        apps,
        apps_update,
        git: git?,
        gunicorn: gunicorn?,
        workers: workers?,
        front: front?,
        web_addr: web_addr?,
        health_addr: health_addr?,
        child_logs: child_logs?,
        bootstrap: lifecycle.bootstrap?,
        on_failure: lifecycle.on_failure?,
        on_failure_given: lifecycle.on_failure_given,
        wait_timeout: times.wait?,
        drain: times.drain?,
        grace: times.grace,
    })
}

fn read_backup(reader: &mut Reader<'_>) -> Option<usize> {
    let given = reader.given_or("CAULDRON_BACKUP", None, Some("3"));
    let parse = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number"));
    reader.parsed("CAULDRON_BACKUP", given, parse, "write how many backups are kept, 0 for none")
}
