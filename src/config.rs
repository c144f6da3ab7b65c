//! Configuration: strings from everywhere become validated values, once; nothing later reads the
//! environment. Loading opens no socket and writes nothing.

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
mod listen;
pub mod log;
mod login_signs;
pub mod origin;
pub mod redis;
pub mod redis_url;
pub mod run;
mod servers;
mod show;
mod size;
pub mod source;
pub mod trusted;
pub mod value;
pub mod variable;
pub mod workers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use self::bench_files::BenchFiles;
pub use self::listen::Listen;
pub use self::show::print;
use self::source::Reader;
use self::value::{
    DURATION_MEND, PORT_MEND, absolute_path, parse_origin, parse_port, parse_site, parse_site_url,
    read_choice, read_duration, read_limit, read_parsed, read_path, read_secret,
};
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
    pub apps: Vec<apps::WantedApp>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapMode {
    Auto,
    Lead,
    Follow,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    Exit,
    Hold,
}

/// Reads everything; what is wrong is in `reader.problems`, and then the configuration is of no use.
/// Nothing returns early: every problem is to be told at once.
pub fn load(reader: &mut Reader<'_>, needs: Needs, embedded: bool) -> Option<Config> {
    let bench = read_bench(reader, needs.bench);
    let sites = bench.clone().unwrap_or_default().join("sites");
    let site = read_site(reader, needs.site, &sites);
    let files = BenchFiles::read(reader, &sites, site.as_deref());
    let database = database::read(reader, &files, embedded);
    let redis = redis::read(reader, &files);
    if needs.servers && !embedded {
        servers::require(reader, database.is_some(), &redis);
    }
    if embedded {
        servers::refuse_beside_embedded(reader);
    }
    let runtime_dir = read_path(reader, "CAULDRON_RUNTIME_DIR");
    let data_dir = read_path(reader, "CAULDRON_DATA_DIR");
    let admin_password = read_secret(reader, "ADMIN_PASSWORD");
    let site_db_password = read_secret(reader, "SITE_DB_PASSWORD");
    let encryption_key = read_encryption_key(reader);
    let site_url = read_parsed(reader, "CAULDRON_SITE_URL", parse_site_url, "write https://erp.example.com");
    let web_url = read_parsed(reader, "CAULDRON_WEB_URL", parse_origin, "write http://web:8000");
    // Read by node.
    let _web_ca = read_path(reader, "CAULDRON_WEB_CA");
    let socketio_port_given = reader.given_or("SOCKETIO_PORT", None, None);
    let socketio_port = reader.parsed("SOCKETIO_PORT", socketio_port_given, parse_port, PORT_MEND);
    let in_file = files.common("socketio_port").and_then(|given| given.value.parse().ok());
    let instance = read_instance(reader);
    let adopt = reader.given("CAULDRON_ADOPT").map(|given| given.value);
    let clone = reader.given("CAULDRON_CLONE").map(|given| given.value);
    let allow_downgrade = reader.given("CAULDRON_ALLOW_DOWNGRADE").map(|given| given.value);
    let backup = read_backup(reader);
    let migrate_drain = read_limit(reader, "CAULDRON_MIGRATE_DRAIN", "25m");
    let bench_folder = Bench::new(bench.clone().unwrap_or_default());
    let apps = apps::read(reader, &bench_folder.image_cauldron());
    let apps_update = reader.given("CAULDRON_APPS_UPDATE").map(|given| given.value);
    let git = git::read(reader);
    let gunicorn = gunicorn::read(reader);
    let workers = workers::read(reader, &files, &bench.clone().unwrap_or_default());
    let front = front::read(
        reader,
        &front::Beside {
            site: site.as_deref(),
            socketio_port,
            gunicorn: gunicorn.as_ref(),
            site_url: site_url.as_deref(),
            files: &files,
        },
    );
    let web_addr = listen::read(reader, "CAULDRON_WEB_ADDR", 8000);
    let health_addr = listen::read_health_addr(reader);
    let child_logs = log::read_child_logs(reader, needs.many_roles);
    let bootstrap = read_bootstrap_mode(reader);
    let on_failure =
        read_choice(reader, "CAULDRON_ON_FAILURE", &[("exit", OnFailure::Exit), ("hold", OnFailure::Hold)]);
    let on_failure_given = reader.given("CAULDRON_ON_FAILURE").is_some();
    if !embedded {
        let settled = frappe_environment::Settled {
            site: site.as_deref(),
            database: database.as_ref(),
            redis: &redis,
            socketio_port,
            site_db_password: site_db_password.as_ref(),
            frappe_major: bench_folder.frappe_major(),
        };
        frappe_environment::check(reader, &files, &settled);
    }
    for (variable, why) in frappe_environment::dropped(reader) {
        tracing::info!(variable, why, "Frappe's processes do not get this variable");
    }
    let wait_timeout = read_duration(reader, "CAULDRON_WAIT_TIMEOUT", "120s");
    let drain = read_duration(reader, "CAULDRON_DRAIN", "0s");
    let grace = read_parsed(reader, "CAULDRON_GRACE", duration::parse_limit, DURATION_MEND);
    Some(Config {
        origin: origin::Origin::of(&reader.seen, embedded),
        site,
        bench: bench?,
        runtime_dir,
        data_dir,
        embedded,
        database,
        redis,
        admin_password,
        site_db_password,
        encryption_key,
        site_url,
        web_url,
        socketio_port,
        socketio_listens: socketio_port.or(in_file).unwrap_or(9000),
        instance,
        adopt,
        clone,
        allow_downgrade,
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
        bootstrap: bootstrap?,
        on_failure: on_failure?,
        on_failure_given,
        wait_timeout: Some(wait_timeout?).filter(|timeout| !timeout.is_zero()),
        drain: drain?,
        grace,
    })
}

fn read_bench(reader: &mut Reader<'_>, needed: bool) -> Option<PathBuf> {
    let given = reader.given_or("CAULDRON_BENCH", None, Some("/home/frappe/frappe-bench"));
    let source = given.as_ref().map(|given| given.source.clone());
    let bench = reader.parsed("CAULDRON_BENCH", given, absolute_path, "write an absolute path")?;
    let missing =
        ["apps/frappe", "env/bin/python", "sites"].into_iter().find(|part| !bench.join(part).exists());
    if let Some(part) = missing.filter(|_| needed) {
        let shown = bench.display().to_string();
        let shown = if login_signs::may_hold_a_login(&shown) { "the folder" } else { &shown };
        let cause = format!("{shown} is no bench: it has no {part}");
        reader.problem("CAULDRON_BENCH", source, cause, "name the folder that holds apps, env and sites");
    }
    Some(bench)
}

/// A command that works on a site takes the bench's default one, as Frappe's own commands do.
fn read_site(reader: &mut Reader<'_>, needed: bool, sites: &Path) -> Option<String> {
    let default_site = needed.then(|| BenchFiles::default_site(sites)).flatten();
    let given = reader.given_or("SITE_NAME", default_site, None);
    if needed && given.is_none() {
        let mend = "set SITE_NAME to the site's name, such as erp.example.com";
        reader.problem("SITE_NAME", None, "not set", mend);
    }
    reader.parsed("SITE_NAME", given, parse_site, "write a host name, such as erp.example.com")
}

/// It is recorded, and stands in messages: a login must not be in it.
fn read_instance(reader: &mut Reader<'_>) -> Option<String> {
    let given = reader.given("CAULDRON_INSTANCE")?;
    let parse = |text: &str| match text.rsplit_once('@') {
        Some((before, _)) if before.contains(':') => Err("it holds a login".into()),
        _ => Ok(()),
    };
    let value = given.value.clone();
    // As it was given: an earlier release recorded it so.
    reader.parsed(
        "CAULDRON_INSTANCE",
        Some(given),
        parse,
        "name the installation: cluster/namespace/release",
    )?;
    Some(value)
}

fn read_bootstrap_mode(reader: &mut Reader<'_>) -> Option<BootstrapMode> {
    let choices = [
        ("auto", BootstrapMode::Auto),
        ("lead", BootstrapMode::Lead),
        ("follow", BootstrapMode::Follow),
        ("off", BootstrapMode::Off),
    ];
    read_choice(reader, "CAULDRON_BOOTSTRAP", &choices)
}

/// Fernet's key: 32 bytes in URL-safe base64 (44 characters). Frappe fails on any other at first use.
fn read_encryption_key(reader: &mut Reader<'_>) -> Option<SecretString> {
    let check = |text: &str| {
        let alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let good = text.len() == 44 && text.ends_with('=') && text[..43].bytes().all(alphabet);
        if good { Ok(SecretString::from(text)) } else { Err("not 32 bytes in URL-safe base64".to_string()) }
    };
    read_parsed(
        reader,
        "ENCRYPTION_KEY",
        check,
        "take it from the old site_config.json, or leave it out and one is made",
    )
}

fn read_backup(reader: &mut Reader<'_>) -> Option<usize> {
    let given = reader.given_or("CAULDRON_BACKUP", None, Some("3"));
    let parse = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number"));
    reader.parsed("CAULDRON_BACKUP", given, parse, "write how many backups are kept, 0 for none")
}
