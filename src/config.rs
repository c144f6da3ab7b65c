//! Reads all settings and validates them, once. Nothing reads the environment later. Loading opens no socket and
//! writes nothing.

mod addresses;
pub mod apps;
pub mod backup;
pub mod bench_files;
pub mod bench_id;
#[cfg(test)]
mod canary;
pub mod common_keys;
pub mod database;
pub mod duration;
pub mod foreign_environment;
pub mod frame_ancestors;
pub mod frappe_environment;
pub mod frappe_keys;
pub mod front;
pub mod git;
pub mod gunicorn;
pub mod host;
pub mod hosts;
mod identity;
mod lifecycle;
mod listen;
pub mod log;
pub mod login_limit;
mod login_signs;
pub mod origin;
mod place;
mod queue_timeouts;
mod reader;
pub mod redis;
pub mod redis_url;
pub mod run;
pub mod runtime_size;
pub mod scratch;
pub mod secret_values;
mod secrets;
pub mod security_headers;
mod servers;
mod serving;
mod show;
mod size;
pub mod source;
mod text;
pub mod trusted;
pub mod unused;
mod upkeep;
pub mod value;
pub mod variable;
pub mod workers;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use self::frappe_environment::EffectiveSettings;
pub use self::lifecycle::{BootstrapMode, OnFailure};
pub use self::listen::Listen;
pub use self::reader::Reader;
pub use self::show::render;
use self::value::read_path;
use crate::telemetry::ChildLogs;

/// The parts of the configuration that a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    pub site: bool,
    pub bench: bool,
    /// PostgreSQL and Redis must be configured or embedded.
    pub servers: bool,
    /// Several programs write to one log.
    pub many_roles: bool,
    /// Node runs, with the files that only it reads.
    pub socketio: bool,
    /// The backup repository is opened, with its password and credentials.
    pub backup: bool,
}

impl Needs {
    pub const NOTHING: Self =
        Self { site: false, bench: false, servers: false, many_roles: false, socketio: false, backup: false };
    pub const BENCH: Self = Self { bench: true, ..Self::NOTHING };
    pub const SITE: Self = Self { site: true, ..Self::BENCH };
    pub const SERVERS: Self = Self { servers: true, ..Self::SITE };
    /// A command on the backups of a site. It needs neither Redis nor an administrator.
    pub const BACKUP: Self = Self { backup: true, ..Self::SITE };
}

/// All settings, validated.
#[derive(Clone, Debug)]
pub struct Config {
    /// The sources of the values, for [`origin::Origin::reload`].
    pub origin: origin::Origin,
    pub site: Option<String>,
    /// Keys of CAULDRON_COMMON_SITE_CONFIG. None writes and removes none.
    pub common_keys: Option<common_keys::GivenKeys>,
    pub bench: PathBuf,
    pub runtime_dir: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    /// The parent of the folders in which backups are verified.
    pub scratch_dir: Option<PathBuf>,
    /// The server in which backups are verified; None for a private one.
    pub scratch_server: Option<scratch::ScratchServer>,
    pub embedded: bool,
    pub database: Option<database::DatabaseConfig>,
    pub redis: redis::RedisConfig,
    pub admin_password: Option<SecretString>,
    pub site_db_password: Option<SecretString>,
    pub encryption_key: Option<SecretString>,
    pub site_url: Option<String>,
    /// Internal address of the web role that socketio uses to authenticate a page's user.
    pub web_url: Option<String>,
    /// CA file of the web role's certificate at `web_url`.
    pub web_ca: Option<PathBuf>,
    pub socketio_port: Option<u16>,
    /// `socketio_port`, else the port in common_site_config.json, else Frappe's default.
    pub socketio_listen_port: u16,
    pub instance: Option<String>,
    pub bench_id: bench_id::WantedBenchId,
    pub adopt: Option<String>,
    pub clone: Option<String>,
    /// The id of the refusal that this overrides.
    pub allow_downgrade: Option<String>,
    /// Number of backups to keep; 0 takes none.
    pub migrate_backups: usize,
    pub backup: backup::BackupConfig,
    /// How long a migration waits for running jobs.
    pub migrate_drain: Duration,
    pub apps: apps::AppSpecs,
    /// A new value moves the branches once.
    pub apps_update: Option<String>,
    pub git: git::GitConfig,
    pub gunicorn: gunicorn::Gunicorn,
    pub workers: workers::Workers,
    pub front: front::FrontConfig,
    pub web_addr: Listen,
    /// The port that redirects http to https.
    pub redirect_addr: Option<Listen>,
    pub health_addr: Option<Listen>,
    pub child_logs: ChildLogs,
    pub bootstrap: BootstrapMode,
    pub on_failure: OnFailure,
    /// True if CAULDRON_ON_FAILURE is set. Only then a failed role of `all` stops the others.
    pub on_failure_given: bool,
    /// None waits without a limit.
    pub wait_timeout: Option<Duration>,
    pub drain: Duration,
    pub grace: Option<Duration>,
}

/// Reads all settings. If `reader.problems` is not empty afterwards, the result must not be used. Nothing returns
/// early, so that all problems are reported at once.
pub fn load(reader: &mut Reader<'_>, needs: Needs, embedded: bool) -> Option<Config> {
    let place = place::read(reader, needs);
    let servers = servers::read(reader, &place.files, needs.servers, embedded);
    let runtime_dir = read_path(reader, "CAULDRON_RUNTIME_DIR");
    let data_dir = read_path(reader, "CAULDRON_DATA_DIR");
    let scratch_dir = read_path(reader, "CAULDRON_SCRATCH_DIR");
    let scratch_server = scratch::read(reader, needs.backup);
    let secrets = secrets::read(reader);
    let addresses = addresses::read(reader, &place.files, needs.socketio);
    let identity = identity::read(reader);
    let backup = backup::read(reader, needs.backup);
    let upkeep = upkeep::read(reader, &place.bench_folder());
    let serving = serving::read(reader, &place, &addresses, needs.many_roles);
    let lifecycle = lifecycle::read(reader);
    if !embedded {
        let effective =
            EffectiveSettings { place: &place, servers: &servers, addresses: &addresses, secrets: &secrets };
        frappe_environment::check(reader, &effective);
        frappe_keys::check(reader, &effective);
    }
    frappe_environment::log_dropped(reader);
    let times = lifecycle::read_times(reader);
    Some(Config {
        origin: origin::Origin::of(&reader.values, embedded),
        site: place.site,
        common_keys: place.common_keys,
        bench: place.bench?,
        runtime_dir,
        data_dir,
        scratch_dir,
        scratch_server,
        embedded,
        database: servers.database,
        redis: servers.redis,
        admin_password: secrets.admin_password,
        site_db_password: secrets.site_db_password,
        encryption_key: secrets.encryption_key,
        site_url: addresses.site_url,
        web_url: addresses.web_url,
        web_ca: addresses.web_ca,
        socketio_port: addresses.socketio_port,
        socketio_listen_port: addresses.socketio_listen_port,
        instance: identity.instance,
        bench_id: identity.bench_id,
        adopt: identity.adopt,
        clone: identity.clone,
        allow_downgrade: identity.allow_downgrade,
        migrate_backups: upkeep.migrate_backups?,
        backup: backup?,
        migrate_drain: upkeep.migrate_drain?,
        apps: upkeep.apps,
        apps_update: upkeep.apps_update,
        git: upkeep.git?,
        gunicorn: serving.gunicorn?,
        workers: serving.workers?,
        front: serving.front?,
        web_addr: serving.web_addr?,
        redirect_addr: serving.redirect_addr,
        health_addr: serving.health_addr?,
        child_logs: serving.child_logs?,
        bootstrap: lifecycle.bootstrap?,
        on_failure: lifecycle.on_failure?,
        on_failure_given: lifecycle.on_failure_given,
        wait_timeout: times.wait?,
        drain: times.drain?,
        grace: times.grace,
    })
}
