//! A finished site with the ledger app, one for each generation of Frappe, and the settings that its roles share.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use crate::job::Job;
use crate::support::bench::Bench;
use crate::support::binary::Binary;
use crate::support::generation::Generation;
use crate::support::other_app::OtherApp;
use crate::support::postgres::Postgres;
use crate::support::redis::Redis;
use crate::support::stage::Stage;
use crate::support::wait::eventually;

pub const SITE: &str = "roles.test";
pub const DATABASE: &str = "roles_test";
pub const LONG: Duration = Duration::from_secs(60);

/// A role whose name is not the database's, which only Frappe 16 reads.
const USER: &str = "roles_user";

/// The shared site of one generation with a separate Redis for one test.
pub struct RolesStage {
    /// Its own Redis is stopped.
    pub shared: &'static Stage,
    pub redis: Redis,
    pub generation: Generation,
}

/// Each is created once: every role reads it, none changes it.
static FRAPPE_15: LazyLock<Stage> = LazyLock::new(|| create(Generation::Frappe15));
static FRAPPE_16: LazyLock<Stage> = LazyLock::new(|| create(Generation::Frappe16));
/// The generation of the real bench, if there is one.
static REAL: LazyLock<Option<Generation>> =
    LazyLock::new(|| Bench::under_test().map(|bench| bench.generation()));

fn create(generation: Generation) -> Stage {
    let bench = Bench::under_test().unwrap_or_else(|| Bench::sample_of(generation));
    let mut stage = Stage::with(SITE, DATABASE, Postgres::start(), Redis::start(), bench);
    OtherApp::add(&mut stage.bench).set_listed(true);
    let bench = &stage.bench;
    bench.connect(&stage.postgres, &stage.redis);
    // All processes of the bench, in any container, use the same queues.
    let bench_id = bench.path().to_str().expect("a plain path").trim_matches('/').replace('/', "-");
    bench.configure(serde_json::json!({"scheduler_tick_interval": 1, "bench_id": bench_id}));
    let mut new_site = Bench::new_site_options(SITE, DATABASE);
    if generation == Generation::Frappe16 {
        new_site.extend(["--db-user", USER]);
    }
    for command in
        [&new_site[..], &["--site", SITE, "install-app", "ledger"], &["--site", SITE, "enable-scheduler"]]
    {
        let ran = bench.run(command);
        assert_eq!(ran.exit, Some(0), "{}", ran.text);
    }
    stage.redis.stop();
    stage.set("CAULDRON_WAIT_TIMEOUT", "20s")
}

impl RolesStage {
    /// Uses the bench under test, or the sample bench of Frappe 15.
    pub fn new() -> Self {
        Self::on(REAL.unwrap_or(Generation::Frappe15))
    }

    /// Uses the sample bench of this generation; None if a real bench of another one is under test.
    pub fn of(generation: Generation) -> Option<Self> {
        let is_other = REAL.is_some_and(|real| real != generation);
        (!is_other).then(|| Self::on(generation))
    }

    /// Another test's stage of the same generation.
    pub fn another(&self) -> Self {
        Self::on(self.generation)
    }

    fn on(generation: Generation) -> Self {
        let shared = match generation {
            Generation::Frappe15 => &*FRAPPE_15,
            Generation::Frappe16 => &*FRAPPE_16,
        };
        Self { shared, redis: Redis::start(), generation }
    }

    /// Frappe's id of a site's job.
    pub fn id(&self, site: &str, name: &str) -> String {
        format!("{site}{}{name}", self.generation.separator())
    }

    pub fn bench(&self) -> &'static Bench {
        &self.shared.bench
    }

    /// The settings that the chart gives a worker: servers, and no administrator's login.
    pub fn command(&self, command: &str) -> Binary {
        self.shared.command(command).servers(&self.shared.postgres, &self.redis)
    }

    /// Calls a function of the site.
    #[track_caller]
    pub fn execute(&self, method: &str, kwargs: &str) {
        self.execute_on(SITE, method, kwargs);
    }

    /// Calls a function of another site.
    #[track_caller]
    pub fn execute_on(&self, site: &str, method: &str, kwargs: &str) {
        let mut command = self.bench().frappe(&["--site", site, "execute", method, "--kwargs", kwargs]);
        command.env("FRAPPE_REDIS_QUEUE", self.redis.url(1)).env("FRAPPE_REDIS_CACHE", self.redis.url(0));
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
