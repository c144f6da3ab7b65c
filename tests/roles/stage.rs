//! A finished site with the ledger app, and the settings that its roles share.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use crate::job::Job;
use crate::support::bench::Bench;
use crate::support::binary::Binary;
use crate::support::other_app::OtherApp;
use crate::support::postgres::Postgres;
use crate::support::redis::Redis;
use crate::support::stage::Stage;
use crate::support::wait::eventually;

pub const SITE: &str = "roles.test";
pub const DATABASE: &str = "roles_test";
pub const LONG: Duration = Duration::from_secs(60);

/// The shared site with a separate Redis for one test.
pub struct RolesStage {
    /// Its own Redis is stopped.
    pub shared: &'static Stage,
    pub redis: Redis,
    /// The folder of Frappe 16's RQ; none for the bench's own RQ.
    pub rq2: Option<PathBuf>,
}

/// Created once: every role reads it, none changes it.
static SHARED: LazyLock<Stage> = LazyLock::new(|| {
    let bench = Bench::under_test().unwrap_or_else(Bench::sample);
    let mut stage = Stage::with(SITE, DATABASE, Postgres::start(), Redis::start(), bench);
    OtherApp::add(&mut stage.bench).set_listed(true);
    let bench = &stage.bench;
    bench.connect(&stage.postgres, &stage.redis);
    // All processes of the bench, in any container, use the same queues.
    let bench_id = bench.path().to_str().expect("a plain path").trim_matches('/').replace('/', "-");
    bench.configure(serde_json::json!({"scheduler_tick_interval": 1, "bench_id": bench_id}));
    bench.new_site(SITE, DATABASE);
    let installed = bench.run(&["--site", SITE, "install-app", "ledger"]);
    assert_eq!(installed.exit, Some(0), "{}", installed.text);
    let enabled = bench.run(&["--site", SITE, "enable-scheduler"]);
    assert_eq!(enabled.exit, Some(0), "{}", enabled.text);
    stage.redis.stop();
    stage.set("CAULDRON_WAIT_TIMEOUT", "20s")
});

impl RolesStage {
    /// Uses the bench under test, or the sample bench.
    pub fn new() -> Self {
        Self { shared: &SHARED, redis: Redis::start(), rq2: None }
    }

    /// Uses the RQ of Frappe 16.
    pub fn with_rq2() -> Self {
        let rq2 = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sample-bench/rq2");
        Self { rq2: Some(rq2), ..Self::new() }
    }

    /// Returns one stage for each RQ version that Frappe uses; a real bench has only its own.
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
        &self.shared.bench
    }

    /// The settings that the chart gives a worker: servers, and no administrator's login.
    pub fn command(&self, command: &str) -> Binary {
        self.shared
            .command(command)
            .servers(&self.shared.postgres, &self.redis)
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
