//! Configuration: strings from everywhere become validated values, once; nothing later reads the
//! environment. Loading opens no socket and writes nothing.

pub mod apps;
mod bench_files;
pub mod database;
pub mod duration;
pub mod redis;
pub mod redis_url;
pub mod run;
mod show;
pub mod source;
pub mod variable;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use self::bench_files::BenchFiles;
pub use self::show::print;
use self::source::Reader;

/// What a command needs of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    pub site: bool,
    pub bench: bool,
    /// Postgres and Redis must be named, or embedded.
    pub servers: bool,
}

/// Everything an operator can say, validated.
#[derive(Clone, Debug)]
pub struct Config {
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
    pub socketio_port: Option<u16>,
    pub instance: Option<String>,
    pub apps: Vec<apps::WantedApp>,
    pub gunicorn: Gunicorn,
    pub web_addr: Listen,
    pub health_addr: Option<Listen>,
    pub child_logs: ChildLogs,
    pub bootstrap: BootstrapMode,
    pub on_failure: OnFailure,
    /// None waits for ever.
    pub wait_timeout: Option<Duration>,
    pub drain: Duration,
    pub grace: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Gunicorn {
    pub workers: Option<u16>,
    pub threads: Option<u16>,
    pub timeout: Duration,
}

/// An address to listen on; the default one falls back to IPv4 where the kernel has no IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    pub address: SocketAddr,
    pub or_ipv4: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildLogs {
    /// The child writes to our own stdout and stderr.
    Inherit,
    /// Each line with the child's name before it.
    Prefix,
    /// Each line as a JSON object.
    Json,
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
pub fn load(reader: &mut Reader<'_>, needs: Needs, embedded: bool) -> Option<Config> {
    let bench_given = reader.given_or("CAULDRON_BENCH", None, Some("/home/frappe/frappe-bench"));
    let bench = reader.parsed("CAULDRON_BENCH", bench_given, absolute_path, "write an absolute path")?;
    let site_given = reader.given("SITE_NAME");
    let site =
        reader.parsed("SITE_NAME", site_given, parse_site, "write a host name, such as erp.example.com");
    if needs.site && site.is_none() {
        reader.problem(
            "SITE_NAME",
            None,
            "not set",
            "set SITE_NAME to the site's name, such as erp.example.com",
        );
    }
    if needs.bench {
        for part in ["apps/frappe", "env/bin/python", "sites"] {
            if !bench.join(part).exists() {
                let cause = format!("{} is no bench: it has no {part}", bench.display());
                reader.problem(
                    "CAULDRON_BENCH",
                    None,
                    cause,
                    "name the folder that holds apps, env and sites",
                );
                break;
            }
        }
    }
    let files = BenchFiles::read(reader, &bench.join("sites"), site.as_deref());
    let database = database::read(reader, &files, embedded);
    let redis = redis::read(reader, &files);
    if needs.servers && !embedded {
        require_servers(reader, database.is_some(), &redis);
    }
    if embedded {
        refuse_servers_beside_embedded(reader);
    }
    let site_url = reader.given("CAULDRON_SITE_URL");
    Some(Config {
        site,
        bench,
        runtime_dir: read_path(reader, "CAULDRON_RUNTIME_DIR"),
        data_dir: read_path(reader, "CAULDRON_DATA_DIR"),
        embedded,
        database,
        redis,
        admin_password: read_secret(reader, "ADMIN_PASSWORD"),
        site_db_password: read_secret(reader, "SITE_DB_PASSWORD"),
        encryption_key: read_encryption_key(reader),
        site_url: reader.parsed(
            "CAULDRON_SITE_URL",
            site_url,
            parse_site_url,
            "write https://erp.example.com",
        ),
        socketio_port: read_parsed(reader, "SOCKETIO_PORT", parse_port, PORT_MEND),
        instance: reader.given("CAULDRON_INSTANCE").map(|given| given.value),
        apps: read_apps(reader),
        gunicorn: read_gunicorn(reader)?,
        web_addr: read_listen(reader, "CAULDRON_WEB_ADDR", 8000)?,
        health_addr: read_health_addr(reader)?,
        child_logs: read_child_logs(reader)?,
        bootstrap: read_choice(
            reader,
            "CAULDRON_BOOTSTRAP",
            &[
                ("auto", BootstrapMode::Auto),
                ("lead", BootstrapMode::Lead),
                ("follow", BootstrapMode::Follow),
                ("off", BootstrapMode::Off),
            ],
        )?,
        on_failure: read_choice(
            reader,
            "CAULDRON_ON_FAILURE",
            &[("exit", OnFailure::Exit), ("hold", OnFailure::Hold)],
        )?,
        wait_timeout: Some(read_duration(reader, "CAULDRON_WAIT_TIMEOUT", "120s")?).filter(|d| !d.is_zero()),
        drain: read_duration(reader, "CAULDRON_DRAIN", "0s")?,
        grace: read_parsed(reader, "CAULDRON_GRACE", duration::parse, DURATION_MEND),
    })
}

pub(crate) const PORT_MEND: &str = "write a number from 1 to 65535";
const DURATION_MEND: &str = "write a number with its unit: 500ms, 10s, 5m";

fn require_servers(reader: &mut Reader<'_>, database: bool, redis: &redis::RedisConfig) {
    let broken =
        |reader: &Reader<'_>, prefix: &str| reader.problems.iter().any(|p| p.variable.starts_with(prefix));
    if !database && !broken(reader, "DB_") {
        reader.problem(
            "DB_HOST",
            None,
            "not set",
            "set DB_HOST to PostgreSQL's host, or start with --embedded",
        );
    }
    for (name, missing) in [("REDIS_CACHE", redis.cache.is_none()), ("REDIS_QUEUE", redis.queue.is_none())] {
        if missing && !broken(reader, "REDIS_") {
            reader.problem(
                name,
                None,
                "not set",
                format!("set {name} to a URL such as redis://redis:6379/0, or start with --embedded"),
            );
        }
    }
}

/// `--embedded` is for when nothing else is configured: two databases would be one too many. What
/// the bench's own file says of this machine is what an earlier embedded start wrote.
fn refuse_servers_beside_embedded(reader: &mut Reader<'_>) {
    for name in ["DB_HOST", "REDIS_CACHE", "REDIS_QUEUE", "REDIS_CACHE_HOST", "REDIS_QUEUE_HOST"] {
        let given = reader.seen.iter().find(|(v, _)| v.name == name).map(|(_, given)| given.clone());
        let is_another = |given: &source::Given| match given.source {
            source::Source::Default => false,
            source::Source::Bench(_) => {
                !(given.value.contains("127.0.0.1") || given.value.contains("localhost"))
            }
            _ => true,
        };
        if let Some(given) = given.filter(is_another) {
            let mend = "unset it, or start without --embedded";
            reader.problem(name, Some(given.source), "set together with --embedded", mend);
        }
    }
}

pub(crate) fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("`{text}` is not a port")),
    }
}

fn absolute_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err(format!("`{text}` is not an absolute path")) }
}

/// A site's name is a folder under sites/ and a Host header.
fn parse_site(text: &str) -> Result<String, String> {
    let plain = text.len() <= 253
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !text.contains("..");
    if !plain || text == "assets" {
        return Err(format!("`{text}` is not a site's name"));
    }
    Ok(text.into())
}

fn parse_site_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("`{text}` is not an http URL"));
    }
    Ok(text.trim_end_matches('/').into())
}

pub(crate) fn read_path(reader: &mut Reader<'_>, name: &'static str) -> Option<PathBuf> {
    read_parsed(reader, name, absolute_path, "write an absolute path")
}

fn read_secret(reader: &mut Reader<'_>, name: &'static str) -> Option<SecretString> {
    reader.given(name).map(|given| SecretString::from(given.value))
}

fn read_parsed<T>(
    reader: &mut Reader<'_>,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
    mend: &str,
) -> Option<T> {
    let given = reader.given(name);
    reader.parsed(name, given, parse, mend)
}

fn read_duration(reader: &mut Reader<'_>, name: &'static str, default: &str) -> Option<Duration> {
    let given = reader.given_or(name, None, Some(default));
    reader.parsed(name, given, duration::parse, DURATION_MEND)
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

fn read_apps(reader: &mut Reader<'_>) -> Vec<apps::WantedApp> {
    let mut wanted = Vec::new();
    wanted.extend(read_parsed(reader, "CAULDRON_APPS", apps::parse_json, apps::MEND).unwrap_or_default());
    wanted.extend(read_parsed(reader, "STANDARD_APPS", apps::parse_standard, apps::MEND).unwrap_or_default());
    wanted.extend(read_parsed(reader, "CUSTOM_APPS", apps::parse_custom, apps::MEND).unwrap_or_default());
    wanted
}

fn read_gunicorn(reader: &mut Reader<'_>) -> Option<Gunicorn> {
    let count = |text: &str| match text.parse::<u16>() {
        Ok(n) if (1..=512).contains(&n) => Ok(n),
        _ => Err(format!("`{text}` is not a number from 1 to 512")),
    };
    // The official images give bare seconds.
    let seconds =
        |text: &str| text.parse::<u64>().map(Duration::from_secs).or_else(|_| duration::parse(text));
    let timeout = reader.given_or("GUNICORN_TIMEOUT", None, Some("120s"));
    Some(Gunicorn {
        workers: read_parsed(reader, "GUNICORN_WORKERS", count, "write a number, or leave it out"),
        threads: read_parsed(reader, "GUNICORN_THREADS", count, "write a number, or leave it out"),
        timeout: reader.parsed("GUNICORN_TIMEOUT", timeout, seconds, DURATION_MEND)?,
    })
}

fn read_listen(reader: &mut Reader<'_>, name: &'static str, port: u16) -> Option<Listen> {
    let Some(given) = reader.given(name) else {
        return Some(Listen {
            address: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port),
            or_ipv4: true,
        });
    };
    let parse = |text: &str| {
        text.parse::<SocketAddr>()
            .map(|address| Listen { address, or_ipv4: false })
            .map_err(|_| format!("`{text}` is not an address"))
    };
    reader.parsed(name, Some(given), parse, "write address:port, such as 0.0.0.0:8000 or [::]:8000")
}

fn read_health_addr(reader: &mut Reader<'_>) -> Option<Option<Listen>> {
    if reader.given("CAULDRON_HEALTH_ADDR").is_some_and(|given| given.value == "off") {
        return Some(None);
    }
    read_listen(reader, "CAULDRON_HEALTH_ADDR", 9180).map(Some)
}

fn read_child_logs(reader: &mut Reader<'_>) -> Option<ChildLogs> {
    let choices = [("inherit", ChildLogs::Inherit), ("prefix", ChildLogs::Prefix), ("json", ChildLogs::Json)];
    read_choice(reader, "CAULDRON_CHILD_LOGS", &choices)
}

/// One of a few words, the first being the default.
pub fn read_choice<T: Copy>(reader: &mut Reader<'_>, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
    let given = reader.given_or(name, None, Some(choices[0].0));
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let parse = |text: &str| {
        choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| format!("`{text}` is not one of them"))
    };
    reader.parsed(name, given, parse, &format!("write one of: {}", words.join(", ")))
}
