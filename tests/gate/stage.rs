//! A finished site of an old image, and a new image on the same volume.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde_json::{Value, json};

use crate::release::{LATER, Release, full_name};
use crate::support::bench::{Bench, copy};
use crate::support::binary::Binary;
use crate::support::generation::Generation;
use crate::support::postgres::Postgres;
use crate::support::redis::Redis;
use crate::support::stage::Stage;
use crate::support::web::Web;

pub const SITE: &str = "erp.test";
const GIT: &str = "apps/frappe/.git";
pub const DATABASE: &str = "frappe";
pub const LONG: Duration = Duration::from_secs(60);

/// The bench of the stage is the old image.
pub struct GateStage {
    pub stage: Stage,
    pub new: Bench,
}

impl Deref for GateStage {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for GateStage {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

impl GateStage {
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
        old.configure(json!({"bench_id": "one"}));
        let new = old.other_image_of(old.generation());
        if old.path().join(GIT).exists() {
            copy(&old.path().join(GIT), &new.path().join(GIT));
        }
        let stage = Stage::with(SITE, DATABASE, Postgres::start(), redis, old);
        let stage = Self { stage: stage.set("CAULDRON_WAIT_TIMEOUT", "20s"), new };
        stage.created();
        stage
    }

    /// Two images of this generation, the new one with a release.
    pub fn with_release_of(generation: Generation) -> Self {
        Self::of(Bench::sample_of(generation), Redis::start()).released()
    }

    /// The new image has Frappe 16.
    pub fn to_frappe_16() -> Self {
        let stage = Self::new();
        let new = stage.old().other_image_of(Generation::Frappe16);
        Self { new, ..stage }.released()
    }

    /// A stage with a new release that has a patch and a changed DocType.
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

    pub fn old(&self) -> &Bench {
        &self.stage.bench
    }

    /// The leader on one of the images.
    pub fn leader_on(&self, bench: &Bench) -> Binary {
        self.manifest_on(bench, "bootstrap")
    }

    pub fn gate(&self) -> Value {
        let text = self.state("gate").expect("a gate");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Makes the last attempt old, so that the next one does not wait for its delay.
    pub fn without_pause(&self) {
        let sql = "update public.__cauldron_fingerprint set last_attempt = now() - interval '1 h' where migrated is null";
        self.session().run(sql);
    }

    /// Returns how often the patch is in the Patch Log.
    pub fn logged(&self, patch: &str) -> String {
        let name = full_name(patch);
        let sql =
            format!("select count(*)::text from \"tabPatch Log\" where patch = '{name}' and skipped = 0");
        self.session().value(&sql).expect("a count")
    }

    /// Returns how often the patch of [`ONCE`] ran to its end.
    pub fn ran(&self) -> Option<String> {
        let sql = "select value from \"tabSingles\" where doctype = 'Patched' and field = 'two'";
        self.session().value(sql)
    }

    pub fn in_maintenance(&self) -> bool {
        self.site_config().get("maintenance_mode") == Some(&json!(1))
    }

    /// Checks that the release was migrated to exactly once, and that no trace of the migration is left.
    #[track_caller]
    pub fn is_migrated(&self) {
        assert_eq!(self.logged("two"), "1");
        assert_eq!(self.ran().as_deref(), Some("1"));
        assert!(self.session().is(
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
        let folder = self.bench.sites().join(format!(".cauldron/{SITE}/backups"));
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .map(|entries| entries.map(|entry| entry.expect("a backup").path()).collect())
            .unwrap_or_default();
        paths.sort();
        paths
    }

    /// Starts a web pod on an image and waits until it is ready.
    #[track_caller]
    pub fn serve(&self, bench: &Bench) -> Web {
        Web::ready(self.web_on(bench))
    }

    pub fn start_web(&self, bench: &Bench) -> Web {
        Web::start(self.web_on(bench))
    }

    pub fn web_on(&self, bench: &Bench) -> Binary {
        self.manifest_on(bench, "web").set("GUNICORN_WORKERS", "1")
    }
}

/// Counts its own runs, so that a second run is detected.
pub const ONCE: &str = "runs = int(local.db.get_single('Patched', 'two') or 0)
local.db.set_single('Patched', 'two', runs + 1)";
