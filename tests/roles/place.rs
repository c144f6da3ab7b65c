//! A finished site with the ledger app, its servers, and the settings that its roles share.

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

/// Created once: every role reads it, none changes it.
pub struct Site {
    pub postgres: Postgres,
    pub bench: Bench,
}

/// The site with a separate Redis for one test.
pub struct Place {
    pub site: &'static Site,
    pub redis: Redis,
    /// The folder of Frappe 16's RQ; none for the bench's own RQ.
    pub rq2: Option<PathBuf>,
}

static SITE_OF_ALL: LazyLock<Site> = LazyLock::new(|| {
    let redis = Redis::start();
    let mut bench = Bench::under_test().unwrap_or_else(Bench::sample);
    let app = OtherApp::add(&mut bench);
    app.set_listed(true);
    let postgres = Postgres::start();
    bench.connect(&postgres, &redis);
    // All processes of the bench, in any container, use the same queues.
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
    /// Uses the bench under test, or the sample bench.
    pub fn new() -> Self {
        Self { site: &SITE_OF_ALL, redis: Redis::start(), rq2: None }
    }

    /// Uses the RQ of Frappe 16.
    pub fn with_rq2() -> Self {
        let rq2 = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sample-bench/rq2");
        Self { rq2: Some(rq2), ..Self::new() }
    }

    /// Returns one place for each RQ version that Frappe uses; a real bench has only its own.
    pub fn with_each_rq() -> Vec<Self> {
        let own = Self::new();
        if own.bench().is_real() { vec![own] } else { vec![own, Self::with_rq2()] }
    }

    /// The bench's PYTHONPATH, after the other RQ if there is one.
    pub fn python_path(&self) -> String {
        let mut folders = vec![self.bench().path().join("other-apps").display().to_string()];
        folders.splice(..0, self.rq2.as_ref().map(|rq2| rq2.display().to_string()));
        folders.join(":")
    }

    /// Frappe's id of a site's job.
    pub fn id(&self, site: &str, name: &str) -> String {
        let is_rq2 = self.rq2.is_some() || self.bench().major() >= 16;
        format!("{site}{}{name}", if is_rq2 { "||" } else { "::" })
    }

    pub fn bench(&self) -> &'static Bench {
        &self.site.bench
    }

    /// The settings that the chart gives a worker: servers, and no administrator's login.
    pub fn command(&self, command: &str) -> Binary {
        Binary::on(self.bench(), &[command])
            .servers(&self.site.postgres, &self.redis)
            .set("SITE_NAME", SITE)
            .set("CAULDRON_WAIT_TIMEOUT", "20s")
            .set("PYTHONPATH", self.python_path())
    }

    /// Calls a function of the site.
    #[track_caller]
    pub fn execute(&self, method: &str, kwargs: &str) {
        let mut command = self.bench().frappe(&["--site", SITE, "execute", method, "--kwargs", kwargs]);
        command.env("FRAPPE_REDIS_QUEUE", self.redis.url(1)).env("FRAPPE_REDIS_CACHE", self.redis.url(0));
        command.env("PYTHONPATH", self.python_path());
        // Its exit code is meaningless: it fails to print the job as JSON after it has queued the job.
        command.output().expect("python runs");
    }

    pub fn job(&self, name: &str, queue: &str) -> Job {
        Job::enqueue(self, name, queue)
    }

    /// A field of a job's record.
    pub fn job_field(&self, name: &str, field: &str) -> Option<String> {
        self.redis.ask(1, &["HGET", &format!("rq:job:{}", self.id(SITE, name)), field])
    }

    /// RQ's registries that hold a job of our site, and `intermediate` if it is between its queue and a worker.
    pub fn registries(&self, name: &str) -> Vec<String> {
        self.registries_of(&self.id(SITE, name))
    }

    pub fn registries_of(&self, id: &str) -> Vec<String> {
        let keys: Vec<String> = self.redis.ask(1, &["KEYS", "rq:*"]);
        // RQ 2 keeps executions, `job:execution`, of running jobs.
        let is_its = |entry: &String| {
            entry.strip_prefix(id).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        let holds = |command: &str, key: &String| {
            self.redis.ask::<Vec<String>>(1, &[command, key, "0", "-1"]).iter().any(is_its)
        };
        let mut found = Vec::new();
        for key in &keys {
            let kind = key.split(':').nth(1).unwrap_or_default();
            if ["wip", "finished", "failed"].contains(&kind) && holds("ZRANGE", key) {
                found.push(kind.to_owned());
            } else if key.ends_with(":intermediate") && holds("LRANGE", key) {
                found.push("intermediate".to_owned());
            }
        }
        found.sort();
        found
    }

    /// The ids of the jobs that wait in a queue.
    pub fn waiting(&self, queue: &str) -> Vec<String> {
        self.redis.ask(1, &["LRANGE", &self.queue(queue), "0", "-1"])
    }

    /// Waits until a worker blocks in Redis: it has installed its handlers, and takes the next job.
    #[track_caller]
    pub fn wait_until_blocked(&self) {
        eventually(LONG, "a worker blocks", || {
            let clients: String = self.redis.ask(1, &["CLIENT", "LIST"]);
            let blocks = |line: &str| line.contains(" cmd=blpop ") || line.contains(" cmd=blmove ");
            clients.lines().any(blocks).then_some(())
        });
    }

    /// A file that only this test uses.
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

/// A container's own parts of the bench: Frappe's scheduler lock is a file in `config`, and common_site_config.json may
/// be mounted.
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

/// A job that runs until it is released.
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

/// The `/status` of a pod.
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

/// The pid of the only running child.
#[track_caller]
pub fn child(pod: &Pod) -> i32 {
    let children = children(pod);
    assert_eq!(children.len(), 1, "{children:?}");
    children.into_values().next().expect("one")
}

pub fn kill(pid: i32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("a process to signal");
}

/// True if a process exists and is no zombie.
pub fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The number of repetitions: a few, or CAULDRON_DRILL_ROUNDS.
pub fn rounds(few: usize) -> usize {
    std::env::var("CAULDRON_DRILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}
