//! A finished site of an old image, and a new image on the same volume.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::release::{LATER, Release, full_name};
use crate::support::bench::{Bench, copy};
use crate::support::binary::{Binary, Pod};
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::redis::Redis;
use crate::support::session::Session;
use crate::support::wait::eventually;
use crate::support::{http, port};

pub const SITE: &str = "erp.test";
const GIT: &str = "apps/frappe/.git";
pub const DATABASE: &str = "frappe";
pub const LONG: Duration = Duration::from_secs(60);

pub struct Place {
    pub postgres: Postgres,
    pub redis: Redis,
    pub old: Bench,
    pub new: Bench,
}

impl Place {
    /// The new image is a copy of the old one until a [`Release`] changes it.
    pub fn new() -> Self {
        Self::on_redis(Redis::start())
    }

    /// Both images contain the app's repository, at the same commit.
    pub fn in_repositories() -> Self {
        let old = Bench::sample();
        Release::of(old.path().join("apps/frappe/frappe")).init().commit();
        Self::of(old, Redis::start())
    }

    pub fn on_redis(redis: Redis) -> Self {
        Self::of(Bench::sample(), redis)
    }

    fn of(old: Bench, redis: Redis) -> Self {
        let postgres = Postgres::start();
        old.configure(json!({"bench_id": "one"}));
        let new = old.other_image();
        if old.path().join(GIT).exists() {
            copy(&old.path().join(GIT), &new.path().join(GIT));
        }
        let place = Self { postgres, redis, old, new };
        place.leader(&place.old).run().exits(0);
        place
    }

    /// A place with a new release that has a patch and a changed DocType.
    pub fn with_release() -> Self {
        Self::new().released()
    }

    pub fn released(self) -> Self {
        self.release().patch("two", ONCE).field("desk/doctype/note/note", "colour", LATER);
        self
    }

    pub fn release(&self) -> Release {
        Release::of(self.new.path().join("apps/frappe/frappe"))
    }

    pub fn on(&self, bench: &Bench, command: &str) -> Binary {
        Binary::on(bench, &[command])
            .servers(&self.postgres, &self.redis)
            .set("SITE_NAME", SITE)
            .set("CAULDRON_WAIT_TIMEOUT", "20s")
    }

    pub fn leader(&self, bench: &Bench) -> Binary {
        self.on(bench, "bootstrap")
            .set("DB_NAME", DATABASE)
            .set("DB_USER", SUPERUSER)
            .set("DB_PASSWORD", PASSWORD)
            .set("ADMIN_PASSWORD", "Admin-Secret_2")
    }

    #[track_caller]
    pub fn site(&self) -> Session {
        self.postgres.session(DATABASE)
    }

    /// Returns one value of our record of the site.
    pub fn state(&self, column: &str) -> Option<String> {
        self.site()
            .value(&format!("SELECT {column}::text FROM public.__cauldron_state WHERE site = '{SITE}'"))
    }

    pub fn gate(&self) -> Value {
        let text = self.state("gate").expect("a gate");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Makes the last attempt old, so that the next one does not wait for its delay.
    pub fn without_pause(&self) {
        let sql = "update public.__cauldron_fingerprint set last_attempt = now() - interval '1 h' where migrated is null";
        self.site().run(sql);
    }

    /// Returns how often the patch is in the Patch Log.
    pub fn logged(&self, patch: &str) -> String {
        let name = full_name(patch);
        let sql =
            format!("select count(*)::text from \"tabPatch Log\" where patch = '{name}' and skipped = 0");
        self.site().value(&sql).expect("a count")
    }

    /// Returns how often the patch of [`ONCE`] ran to its end.
    pub fn ran(&self) -> Option<String> {
        let sql = "select value from \"tabSingles\" where doctype = 'Patched' and field = 'two'";
        self.site().value(sql)
    }

    pub fn in_maintenance(&self) -> bool {
        self.old.read_config(&format!("{SITE}/site_config.json")).get("maintenance_mode") == Some(&json!(1))
    }

    /// Checks that the release was migrated to exactly once, and that no trace of the migration is left.
    #[track_caller]
    pub fn is_migrated(&self) {
        assert_eq!(self.logged("two"), "1");
        assert_eq!(self.ran().as_deref(), Some("1"));
        assert!(self.site().is(
            "exists (select from information_schema.columns where table_name = 'tabNote' and column_name = 'colour')"
        ));
        assert_eq!(self.gate()["stage"], "open", "{}", self.gate());
        assert!(!self.in_maintenance());
        assert_eq!(self.redis_value("cauldron:gate:one"), None);
    }

    pub fn redis_value(&self, key: &str) -> Option<String> {
        self.redis.ask(1, &["GET", key])
    }

    /// Returns the backups on the volume.
    pub fn backups(&self) -> Vec<std::path::PathBuf> {
        let folder = self.old.sites().join(format!(".cauldron/{SITE}/backups"));
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .map(|entries| entries.map(|entry| entry.expect("a backup").path()).collect())
            .unwrap_or_default();
        paths.sort();
        paths
    }

    /// Starts a web pod on an image and waits until it is ready.
    #[track_caller]
    pub fn serve(&self, bench: &Bench) -> Web {
        let mut web = self.start_web(bench);
        web.pod.answers("/readyz", 200);
        web
    }

    pub fn start_web(&self, bench: &Bench) -> Web {
        self.start_web_with(bench, |binary| binary)
    }

    pub fn start_web_with(&self, bench: &Bench, change: impl FnOnce(Binary) -> Binary) -> Web {
        let port = port::free();
        let binary = self
            .leader(bench)
            .with_command("web")
            .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}"))
            .set("GUNICORN_WORKERS", "1");
        Web { pod: change(binary).start(), port }
    }
}

/// Counts its own runs, so that a second run is detected.
pub const ONCE: &str = "runs = int(local.db.get_single('Patched', 'two') or 0)
local.db.set_single('Patched', 'two', runs + 1)";

pub struct Web {
    pub pod: Pod,
    pub port: u16,
}

impl Web {
    pub fn ping(&self) -> u16 {
        http::status(self.port, SITE, "/api/method/ping")
    }

    #[track_caller]
    pub fn get(&self, path: &str, header: &str) -> http::Response {
        http::get_with(self.port, SITE, path, &[header]).unwrap_or_else(|| panic!("no answer for {path}"))
    }

    #[track_caller]
    pub fn comes_to(&self, status: u16) {
        let what = format!("ping answers {status}; {}", self.pod.log());
        eventually(LONG, &what, || (self.ping() == status).then_some(()));
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.pod.body("/status")).expect("JSON")
    }

    #[track_caller]
    pub fn stop(self) {
        self.pod.signal(Signal::SIGTERM);
        self.pod.end_within(Duration::from_secs(30)).exits(0);
    }
}
