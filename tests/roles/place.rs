//! A finished site with the ledger app, its servers, and the manifest that its roles share.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::bench::Bench;
use crate::support::binary::{Binary, Pod};
use crate::support::other_app::OtherApp;
use crate::support::postgres::Postgres;
use crate::support::redis::Redis;
use crate::support::wait::{eventually, within};

pub const SITE: &str = "roles.test";
pub const DATABASE: &str = "roles_test";
const COMMON: &str = "common_site_config.json";
pub const LONG: Duration = Duration::from_secs(60);

/// Made once: every role reads it, none changes it.
pub struct Site {
    pub postgres: Postgres,
    pub bench: Bench,
}

/// The site with a Redis of one test's own.
pub struct Place {
    pub site: &'static Site,
    pub redis: Redis,
}

static SITE_OF_ALL: LazyLock<Site> = LazyLock::new(|| {
    let redis = Redis::start();
    let mut bench = Bench::under_test().unwrap_or_else(Bench::sample);
    let app = OtherApp::add(&mut bench);
    app.set_listed(true);
    let postgres = Postgres::start();
    bench.connect(&postgres, &redis);
    // Every process of the bench, in whichever container, has the same queues.
    let bench_id = bench.path().to_str().expect("a plain path").trim_matches('/').replace('/', "-");
    bench.configure(serde_json::json!({"scheduler_tick_interval": 1, "bench_id": bench_id}));
    bench.new_site(SITE, DATABASE);
    let installed = bench.run(&["--site", SITE, "install-app", "ledger"]);
    assert_eq!(installed.exit, Some(0), "{}", installed.text);
    let enabled = bench.run(&["--site", SITE, "enable-scheduler"]);
    assert_eq!(enabled.exit, Some(0), "{}", enabled.text);
    Site { postgres, bench }
});

impl Place {
    /// On the bench under test, or the sample.
    pub fn new() -> Self {
        Self { site: &SITE_OF_ALL, redis: Redis::start() }
    }

    pub fn bench(&self) -> &'static Bench {
        &self.site.bench
    }

    /// What the chart gives a worker: servers, and no login of the administrator's.
    pub fn command(&self, command: &str) -> Binary {
        Binary::on(self.bench(), &[command])
            .servers(&self.site.postgres, &self.redis)
            .set("SITE_NAME", SITE)
            .set("CAULDRON_WAIT_TIMEOUT", "20s")
            .set("CAULDRON_LOG_FORMAT", "text")
    }

    /// Calls a function of the site.
    #[track_caller]
    pub fn execute(&self, method: &str, kwargs: &str) {
        let mut command = self.bench().frappe(&["--site", SITE, "execute", method, "--kwargs", kwargs]);
        command.env("FRAPPE_REDIS_QUEUE", self.redis.url(1)).env("FRAPPE_REDIS_CACHE", self.redis.url(0));
        // Its exit code says nothing: a job cannot be printed as JSON, and that comes after it is queued.
        command.output().expect("python runs");
    }

    pub fn job(&self, name: &str, queue: &str) -> Job {
        Job::enqueue(self, name, queue)
    }

    /// A field of a job's record.
    pub fn job_field(&self, name: &str, field: &str) -> Option<String> {
        self.redis.ask(1, &["HGET", &format!("rq:job:{SITE}::{name}"), field])
    }

    /// Which of RQ's registries of this bench hold the job.
    pub fn registries(&self, name: &str) -> Vec<String> {
        let keys: Vec<String> = self.redis.ask(1, &["KEYS", "rq:*"]);
        let id = format!("{SITE}::{name}");
        let registries = ["rq:wip:", "rq:finished:", "rq:failed:"];
        let holds = |key: &&String| self.redis.ask::<Option<f64>>(1, &["ZSCORE", key, &id]).is_some();
        let mut found: Vec<String> = keys
            .iter()
            .filter(|key| registries.iter().any(|registry| key.starts_with(registry)))
            .filter(|key| !key.ends_with("intermediate"))
            .filter(holds)
            .map(|key| key.split(':').nth(1).expect("a registry's name").to_owned())
            .collect();
        found.sort();
        found
    }

    /// A file of this test's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.bench().path().join(format!("{}-{name}", self.redis.port()))
    }

    /// RQ's key of a queue of this bench.
    pub fn queue(&self, name: &str) -> String {
        let id = self.bench().path().to_str().expect("a plain path").trim_matches('/').replace('/', "-");
        format!("rq:queue:{id}:{name}")
    }

    pub fn workers(&self) -> Vec<String> {
        self.redis.ask(1, &["SMEMBERS", "rq:workers"])
    }
}

/// A container's own part of the bench: Frappe's lock of the scheduler is a file in `config`, and
/// common_site_config.json may be a mount.
pub struct Container {
    root: tempfile::TempDir,
}

impl Container {
    pub fn new(place: &Place) -> Self {
        let root = tempfile::Builder::new().prefix("container-").tempdir().expect("a folder");
        for part in ["apps", "env", "logs"] {
            let target = place.bench().path().join(part);
            symlink(target, root.path().join(part)).expect("a link into the bench");
        }
        for part in ["config", "sites"] {
            fs::create_dir(root.path().join(part)).expect("a folder");
        }
        for entry in fs::read_dir(place.bench().sites()).expect("sites").flatten() {
            if entry.file_name() != COMMON {
                symlink(entry.path(), root.path().join("sites").join(entry.file_name())).expect("a link");
            }
        }
        let container = Self { root };
        container.configure(place, &[]);
        container
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Its common_site_config.json: the bench's, with these keys.
    pub fn configure(&self, place: &Place, keys: &[(&str, Value)]) {
        let mut config = place.bench().read_config(COMMON);
        config.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        let new = self.path().join("sites/new.json");
        fs::write(&new, serde_json::to_string_pretty(&config).expect("JSON")).expect("a file");
        fs::rename(&new, self.path().join("sites").join(COMMON)).expect("a file");
    }
}

/// One job that runs until it is told to end.
pub struct Job {
    pub started: PathBuf,
    release: PathBuf,
    pub done: PathBuf,
}

impl Job {
    fn enqueue(place: &Place, name: &str, queue: &str) -> Self {
        let file = |what: &str| place.file(&format!("{name}-{what}"));
        let job = Self { started: file("started"), release: file("release"), done: file("done") };
        let kwargs = format!(
            "{{'method': 'ledger.tasks.hold', 'queue': '{queue}', 'job_id': '{name}', 'started': '{}', 'release': '{}', 'done': '{}'}}",
            job.started.display(),
            job.release.display(),
            job.done.display()
        );
        place.execute("frappe.utils.background_jobs.enqueue", &kwargs);
        job
    }

    /// The pid of its work-horse.
    #[track_caller]
    pub fn wait_for_start(&self) -> i32 {
        eventually(LONG, "the job starts", || fs::read_to_string(&self.started).ok()?.trim().parse().ok())
    }

    pub fn release(&self) {
        fs::write(&self.release, "").expect("the job's release");
    }

    #[track_caller]
    pub fn wait_for_end(&self) {
        eventually(LONG, "the job ends", || self.done.exists().then_some(()));
    }

    pub fn is_done_within(&self, deadline: Duration) -> bool {
        within(deadline, || self.done.exists().then_some(())).is_some()
    }
}

/// The whole account of a pod.
pub fn status(pod: &Pod) -> Value {
    serde_json::from_str(&pod.body("/status")).unwrap_or_default()
}

/// Running children by name.
pub fn children(pod: &Pod) -> BTreeMap<String, i32> {
    let status = status(pod);
    let children = status["children"].as_array().cloned().unwrap_or_default();
    let running = |child: &Value| Some((child["name"].as_str()?.to_owned(), child["pid"].as_i64()?));
    children
        .iter()
        .filter_map(running)
        .map(|(name, pid)| (name, i32::try_from(pid).expect("a pid")))
        .collect()
}

/// The only one.
#[track_caller]
pub fn child(pod: &Pod) -> i32 {
    let children = children(pod);
    assert_eq!(children.len(), 1, "{children:?}");
    children.into_values().next().expect("one")
}

pub fn kill(pid: i32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("a process to signal");
}

/// Whether a process is there and no zombie.
pub fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// How often a proof is repeated: a few times, or as often as a drill says.
pub fn rounds(few: usize) -> usize {
    std::env::var("CAULDRON_DRILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}
