//! The resources that measurements share: the binary, a log for all output, real servers, and an existing site.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::child;
use super::started::Started;
use super::support::bench::{ADMIN_PASSWORD, Bench};
use super::support::port;
use super::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use super::support::redis::Redis;

/// A measurement that takes longer hangs.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// A real bench takes minutes to create a site.
pub const NEW_SITE: Duration = Duration::from_secs(600);
const BINARY: &str = "CAULDRON_BENCH_BINARY";

pub struct Lab {
    binary: PathBuf,
    log: File,
    servers: OnceCell<Servers>,
    site: OnceCell<Site>,
}

pub struct Servers {
    pub postgres: Postgres,
    pub redis: Redis,
}

/// A finished site: a start has nothing to do.
pub struct Site {
    pub bench: Bench,
    pub web_port: u16,
    pub health_port: u16,
}

pub const SITE_NAME: &str = "bench.local";

impl Lab {
    pub fn new() -> Result<Self, String> {
        let Some(binary) = std::env::var_os(BINARY).map(PathBuf::from) else {
            return Err(format!("{BINARY} names no release binary; run `make bench`"));
        };
        if !binary.is_file() {
            return Err(format!("{} does not exist; run `make build`, or `make bench`", binary.display()));
        }
        if !child::program().is_file() {
            return Err(format!("{} does not exist; run `make bench`", child::program().display()));
        }
        for program in ["tini", "dumb-init", "supervisord", "wait-for-it", "wrk"] {
            if on_path(program).is_none() {
                return Err(format!("{program} is not installed; run `tools/install bench`"));
            }
        }
        let log = File::create(target().join("bench.log")).map_err(|error| format!("bench.log: {error}"))?;
        Ok(Self { binary, log, servers: OnceCell::new(), site: OnceCell::new() })
    }

    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The folder for results.
    pub fn folder(&self) -> PathBuf {
        target()
    }

    /// Returns our binary with these words, as the beginning of a command line.
    pub fn ours<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let mut line = vec![self.binary.to_str().expect("a plain path")];
        line.extend(words);
        line
    }

    /// The measured inits, and the case without an init.
    pub fn inits(&self) -> [(&'static str, Vec<&str>); 4] {
        [
            ("ours", self.ours(&["run", "--"])),
            ("no init", Vec::new()),
            ("tini", vec!["tini", "-s", "--"]),
            ("dumb-init", vec!["dumb-init", "--"]),
        ]
    }

    /// Starts the command without a terminal; its environment has only PATH and the variables that the command sets.
    pub fn start(&self, command: &mut Command) -> Started {
        let set: Vec<(OsString, OsString)> =
            command.get_envs().filter_map(|(name, value)| Some((name.into(), value?.into()))).collect();
        command.env_clear().env("PATH", std::env::var_os("PATH").expect("PATH")).envs(set);
        let log = || Stdio::from(self.log.try_clone().expect("the log"));
        Started::new(command.stdin(Stdio::null()).stdout(log()).stderr(log()))
    }

    pub fn servers(&self) -> &Servers {
        self.servers.get_or_init(|| Servers { postgres: Postgres::start(), redis: Redis::start() })
    }

    /// The site on the sample bench, or on a copy of the real bench that CAULDRON_TEST_BENCH names.
    pub fn site(&self) -> &Site {
        self.site.get_or_init(|| {
            let bench = Bench::under_test().unwrap_or_else(Bench::sample);
            let site = Site { bench, web_port: port::free(), health_port: port::free() };
            let mut made = self.start(&mut self.on_site(&site, "bootstrap"));
            made.end_ns_within(NEW_SITE);
            site
        })
    }

    /// Returns one of our commands with the environment of a pod of this site.
    pub fn on_site(&self, site: &Site, command: &str) -> Command {
        let servers = self.servers();
        let mut pod = Command::new(&self.binary);
        pod.arg(command)
            .envs(site.bench.environment().iter().map(|(name, value)| (name, value)))
            .env("CAULDRON_BENCH", site.bench.path())
            .env("CAULDRON_RUNTIME_DIR", site.bench.path().join("runtime"))
            .env("CAULDRON_HEALTH_ADDR", format!("127.0.0.1:{}", site.health_port))
            .env("CAULDRON_WEB_ADDR", format!("127.0.0.1:{}", site.web_port))
            .env("CAULDRON_DRAIN", "0s")
            .env("SITE_NAME", SITE_NAME)
            .env("ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("DB_NAME", "bench_local")
            .env("REDIS_CACHE", servers.redis.url(0))
            .env("REDIS_QUEUE", servers.redis.url(1))
            .env("DB_HOST", servers.postgres.host())
            .env("DB_PORT", servers.postgres.port().to_string())
            .env("DB_USER", SUPERUSER)
            .env("DB_PASSWORD", PASSWORD);
        pod
    }
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target")
}

/// Returns the path of a program.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
