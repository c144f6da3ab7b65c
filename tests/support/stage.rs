//! One site with its servers, its bench and its names, and the manifest of its pods.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::bench::{ADMIN_PASSWORD, Bench};
use super::binary::{Binary, Pod};
use super::postgres::{PASSWORD, Postgres, SUPERUSER};
use super::redis::Redis;
use super::session::Session;
use super::{http, port, snapshot};

const SITE_CONFIG: &str = "site_config.json";
/// The time in which a site is created, also on a real bench beside other tests.
const CREATION: Duration = Duration::from_secs(600);

pub struct Stage {
    pub postgres: Postgres,
    pub redis: Redis,
    pub bench: Bench,
    pub site: &'static str,
    pub database: &'static str,
    /// The web port of [`Stage::web`]; every started pod has a health port of its own.
    pub port: u16,
    /// The variables that every command of this stage has besides those of [`Stage::command`].
    pub variables: Vec<(&'static str, String)>,
}

impl Stage {
    pub fn new(site: &'static str, database: &'static str) -> Self {
        Self::with(site, database, Postgres::start(), Redis::start(), Bench::sample())
    }

    /// On the bench that CAULDRON_TEST_BENCH names, else on the sample bench. Its tests must not change the code.
    pub fn on_any_bench(site: &'static str, database: &'static str) -> Self {
        let bench = Bench::under_test().unwrap_or_else(Bench::sample);
        Self::with(site, database, Postgres::start(), Redis::start(), bench)
    }

    pub fn with(
        site: &'static str,
        database: &'static str,
        postgres: Postgres,
        redis: Redis,
        bench: Bench,
    ) -> Self {
        Self { postgres, redis, bench, site, database, port: port::free(), variables: Vec::new() }
    }

    /// Sets a variable of every command of this stage.
    pub fn set(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.push((name, value.to_string()));
        self
    }

    /// A command, such as `worker` or `apps list`, with the servers and the site's name, without a login.
    pub fn command(&self, command: &str) -> Binary {
        self.command_on(&self.bench, command)
    }

    /// [`Stage::command`] on another image.
    pub fn command_on(&self, bench: &Bench, command: &str) -> Binary {
        let binary = Binary::on(bench, &command.split(' ').collect::<Vec<_>>())
            .servers(&self.postgres, &self.redis)
            .set("SITE_NAME", self.site);
        self.variables.iter().fold(binary, |binary, (name, value)| binary.set(name, value))
    }

    /// The manifest of a pod that may lead, as in the chart: the server's superuser, and the site's own names.
    pub fn manifest(&self, command: &str) -> Binary {
        self.manifest_on(&self.bench, command)
    }

    /// [`Stage::manifest`] on another image.
    pub fn manifest_on(&self, bench: &Bench, command: &str) -> Binary {
        self.command_on(bench, command)
            .set("DB_NAME", self.database)
            .set("DB_USER", SUPERUSER)
            .set("DB_PASSWORD", PASSWORD)
            .set("ADMIN_PASSWORD", ADMIN_PASSWORD)
    }

    pub fn leader(&self) -> Binary {
        self.manifest("bootstrap")
    }

    /// [`Stage::leader`] with another login.
    pub fn with_login(&self, user: &str, password: &str) -> Binary {
        self.leader().set("DB_USER", user).set("DB_PASSWORD", password)
    }

    /// Creates a finished site with the program.
    #[track_caller]
    pub fn created(&self) {
        self.leader().spawn().end_within(CREATION).exits(0);
    }

    /// A web pod on the port of the stage.
    pub fn web(&self) -> Binary {
        self.manifest("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{}", self.port))
    }

    #[track_caller]
    pub fn serving(&self) -> Pod {
        ready(self.web())
    }

    /// The status of a GET on the web port.
    pub fn get(&self, path: &str) -> u16 {
        http::status(self.port, self.site, path)
    }

    /// Opens a session on the site's database as superuser.
    #[track_caller]
    pub fn session(&self) -> Session {
        self.postgres.session(self.database)
    }

    /// One value of our record of the site.
    pub fn state(&self, column: &str) -> Option<String> {
        let sql = format!("SELECT {column}::text FROM public.__cauldron_state WHERE site = '{}'", self.site);
        self.session().value(&sql)
    }

    /// A path in the site's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.bench.sites().join(self.site).join(name)
    }

    #[track_caller]
    pub fn site_config(&self) -> Map<String, Value> {
        self.bench.read_config(&format!("{}/{SITE_CONFIG}", self.site))
    }

    /// Changes site_config.json as an operator with an editor would.
    #[track_caller]
    pub fn edit_site_config(&self, change: impl FnOnce(&mut Map<String, Value>)) {
        let mut config = self.site_config();
        change(&mut config);
        let text = serde_json::to_string_pretty(&config).expect("JSON");
        fs::write(self.file(SITE_CONFIG), text).expect(SITE_CONFIG);
    }

    /// The present files and cluster.
    pub fn snapshot(&self) -> (String, String) {
        (snapshot::files(&self.bench), snapshot::cluster(&self.postgres))
    }

    #[track_caller]
    pub fn is_unchanged_since(&self, before: &(String, String)) {
        let after = self.snapshot();
        snapshot::same(&before.0, &after.0);
        snapshot::same(&before.1, &after.1);
    }
}

/// Starts a pod, and waits until it is ready.
#[track_caller]
pub fn ready(binary: Binary) -> Pod {
    let mut pod = binary.start();
    pod.answers("/readyz", 200);
    pod
}
