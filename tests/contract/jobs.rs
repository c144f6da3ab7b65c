//! A worker that runs a job: the effects of TERM, of a second TERM and of KILL.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::facts::Facts;
use crate::support::bench::Bench;
use crate::support::other_app::OtherApp;
use crate::support::postgres::Postgres;
use crate::support::redis::Redis;
use crate::support::running::Running;
use crate::support::wait::eventually;
use crate::web::Web;

const READY: Duration = Duration::from_secs(30);
const SITE: &str = "jobs.test";
const DATABASE: &str = "contract_jobs";

pub fn observe(mut bench: Bench, facts: &mut Facts) {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    bench.connect(&postgres, &redis);
    let app = OtherApp::add(&mut bench);
    app.set_listed(true);
    bench.new_site(SITE, DATABASE);
    bench.run(&["--site", SITE, "install-app", "ledger"]);
    code_caches(&bench, &redis, facts);
    term(&bench, facts);
    term_twice(&bench, &redis, facts);
    kill(&bench, facts);
    suspended(&bench, &redis, facts);
    failed_requests(&bench, &postgres, facts);
}

/// The key of the hooks with our sitecustomize.py and a digest of code, as in a pod (docs/frappe-contract.md#cached-app-lists).
fn code_caches(bench: &Bench, redis: &Redis, facts: &mut Facts) {
    let python = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("sitecustomize.py", include_str!("../../src/frappe/sitecustomize.py")),
        ("cauldron_code_caches.py", include_str!("../../src/frappe/code_caches.py")),
        ("code-digest", "0123456789abcdef"),
    ] {
        fs::write(python.path().join(name), text).expect("a file");
    }
    for (name, folder) in [("with_a_digest", python.path()), ("without", &bench.sites())] {
        redis.ask::<String>(0, &["FLUSHDB"]);
        let mut command =
            bench.frappe(&["--site", SITE, "execute", "frappe.get_hooks", "--args", "['app_name']"]);
        let inherited = command.get_envs().find(|(name, _)| *name == "PYTHONPATH").and_then(|(_, path)| path);
        let path = std::env::join_paths([folder].into_iter().chain(inherited.iter().map(Path::new)));
        let ran = command.env("PYTHONPATH", path.expect("a plain path")).output().expect("python runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let keys: Vec<String> = redis.ask(0, &["KEYS", &format!("{DATABASE}|app_hooks*")]);
        facts.note(format!("code_caches.{name}"), json!(keys));
    }
}

/// A job that runs until it is released.
struct Job {
    started: PathBuf,
    release: PathBuf,
    done: PathBuf,
}

impl Job {
    fn enqueue(bench: &Bench, name: &str) -> Self {
        let file = |what: &str| bench.path().join(format!("{name}-{what}"));
        let job = Self { started: file("started"), release: file("release"), done: file("done") };
        let kwargs = format!(
            "{{'method': 'ledger.tasks.hold', 'queue': 'short', 'job_id': '{name}', 'started': '{}', 'release': '{}', 'done': '{}'}}",
            job.started.display(),
            job.release.display(),
            job.done.display()
        );
        // The exit code does not matter: the command fails to print the job as JSON, after it has queued it.
        bench.run(&["--site", SITE, "execute", "frappe.utils.background_jobs.enqueue", "--kwargs", &kwargs]);
        job
    }

    fn wait_for_start(&self) {
        eventually(READY, "the job starts", || {
            fs::read_to_string(&self.started).ok().filter(|pid| !pid.is_empty())
        });
    }

    fn release(&self) {
        fs::write(&self.release, "").expect("the job's release");
    }

    fn is_done_within(&self, deadline: Duration) -> bool {
        crate::support::wait::within(deadline, || self.done.exists().then_some(())).is_some()
    }
}

fn worker(bench: &Bench) -> Running {
    Running::spawn(&mut bench.frappe(&["worker", "--queue", "short"]))
}

fn term(bench: &Bench, facts: &mut Facts) {
    let job = Job::enqueue(bench, "term");
    let mut worker = worker(bench);
    job.wait_for_start();
    worker.signal(Signal::SIGTERM);
    eventually(READY, "the worker takes the signal", || worker.log().contains("shut down").then_some(()));
    facts.note("busy.term.waits", worker.exit().is_none());
    job.release();
    facts.note("busy.term.exit", json!(worker.exit_within(READY)));
    facts.note("busy.term.job_done", job.done.exists());
}

fn term_twice(bench: &Bench, redis: &Redis, facts: &mut Facts) {
    let job = Job::enqueue(bench, "twice");
    let mut worker = worker(bench);
    job.wait_for_start();
    worker.signal(Signal::SIGTERM);
    // Within one second after the first signal RQ regards a second one as a duplicate.
    eventually(READY, "the worker takes the signal", || worker.log().contains("shut down").then_some(()));
    let first = Instant::now();
    eventually(READY, "a second passes", || (first.elapsed() > Duration::from_millis(1200)).then_some(()));
    worker.signal(Signal::SIGTERM);
    facts.note("busy.second_term.exit", json!(worker.exit_within(READY)));
    facts.note("busy.second_term.job_done", job.done.exists());
    let key = format!("rq:job:{SITE}{}twice", bench.generation().separator());
    facts.note("busy.second_term.job_status", redis.ask::<String>(1, &["HGET", &key, "status"]));
}

fn kill(bench: &Bench, facts: &mut Facts) {
    let job = Job::enqueue(bench, "kill");
    let mut worker = worker(bench);
    job.wait_for_start();
    // The whole group is killed, but the work-horse has left it.
    worker.kill_group();
    job.release();
    facts.note("busy.killed.job_done_alone", job.is_done_within(READY));
}

/// An idle worker blocked in BLPOP runs one more job after `rq suspend`; only the second stays queued.
fn suspended(bench: &Bench, redis: &Redis, facts: &mut Facts) {
    let running = worker(bench);
    wait_until_blocked(redis);
    redis.ask::<String>(1, &["SET", "rq:suspended", "1"]);
    let first = Job::enqueue(bench, "first");
    first.release();
    facts.note("suspended.first_job_runs", first.is_done_within(READY));
    // RQ reads the key before it takes the next job, and logs that it is suspended.
    eventually(READY, "the worker is suspended", || running.log().contains("suspended, run").then_some(()));
    let second = Job::enqueue(bench, "second");
    second.release();
    let waiting: Vec<String> = redis.ask(1, &["LRANGE", &queue(bench, "short"), "0", "-1"]);
    let second_id = format!("{SITE}{}second", bench.generation().separator());
    facts.note("suspended.second_job_runs", !waiting.contains(&second_id));
    redis.ask::<i64>(1, &["DEL", "rq:suspended"]);
}

/// Waits until a worker blocks in Redis: before that it has no signal handlers, and may still check for a suspension.
pub fn wait_until_blocked(redis: &Redis) {
    eventually(READY, "a worker blocks in Redis", || {
        let clients: String = redis.ask(1, &["CLIENT", "LIST"]);
        let blocks = |client: &str| client.contains(" cmd=blpop ") || client.contains(" cmd=blmove ");
        clients.lines().any(blocks).then_some(())
    });
}

/// RQ's key of a queue.
fn queue(bench: &Bench, name: &str) -> String {
    let id = bench.path().to_str().expect("a plain path").trim_matches('/').replace('/', "-");
    format!("rq:queue:{id}:{name}")
}

/// Most failed requests close their session (see `web::assets` for one that does not).
fn failed_requests(bench: &Bench, postgres: &Postgres, facts: &mut Facts) {
    let web = Web::start(bench, 2);
    for (name, path) in [
        ("failed_method", "/api/method/ledger.tasks.fail_in_transaction"),
        ("unknown_method", "/api/method/ledger.tasks.nosuch"),
        ("unknown_page", "/nosuch"),
    ] {
        facts.note(format!("{name}.status"), web.status(SITE, path));
        facts.note(
            format!("{name}.leaves_session_in_transaction"),
            postgres.stays_idle_in_transaction(DATABASE),
        );
    }
}
