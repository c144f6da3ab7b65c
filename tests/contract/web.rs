//! gunicorn's answers in every state of site and servers.

use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::facts::Facts;
use crate::record::SEEN;
use crate::support::bench::{ADMIN_PASSWORD, Bench};
use crate::support::postgres::Postgres;
use crate::support::redis::Redis;
use crate::support::running::Running;
use crate::support::wait::{eventually, within};
use crate::support::{http, port};

const SITE: &str = "web.test";
const DATABASE: &str = "contract_web";
const PING: &str = "/api/method/ping";
const READY: Duration = Duration::from_secs(30);
/// The graceful timeout, which is 30 s in production.
const GRACE_S: u32 = 4;
/// The graceful timeout of a gunicorn that a request wakes: longer than READY, so that only the request can end it.
const LONG_GRACE_S: u32 = 90;

pub struct Web {
    pub gunicorn: Running,
    pub port: u16,
}

impl Web {
    /// Starts gunicorn and waits for any answer.
    pub fn start(bench: &Bench, grace_s: u32) -> Self {
        let mut web = Self::spawn(bench, grace_s, &[]);
        eventually(READY, "gunicorn answers", || {
            assert_eq!(web.gunicorn.exit(), None, "gunicorn: {}", web.gunicorn.log());
            http::get(web.port, "nosuch.test", "/").map(drop)
        });
        web
    }

    /// Starts gunicorn without waiting; `extra` options override the usual ones.
    pub fn spawn(bench: &Bench, grace_s: u32, extra: &[&str]) -> Self {
        let port = port::free();
        Self { gunicorn: Running::spawn(bench.gunicorn(port, grace_s).args(extra)), port }
    }

    pub fn status(&self, host: &str, path: &str) -> u16 {
        http::status(self.port, host, path)
    }

    /// The first status; 0 if gunicorn ends, or its workers never answer.
    pub fn first_status(&mut self, host: &str, path: &str) -> u16 {
        let first = within(READY, || match self.status(host, path) {
            0 => self.gunicorn.exit().map(|_| 0),
            status => Some(status),
        });
        first.unwrap_or(0)
    }
}

pub fn observe(bench: Bench, facts: &mut Facts) {
    let bench = &bench;
    let (mut postgres, mut redis) = (Postgres::start(), Redis::start());
    bench.connect(&postgres, &redis);
    bench.new_site(SITE, DATABASE);
    answers(bench, &mut postgres, &mut redis, facts);
    assets(bench, &postgres, &redis, facts);
    stops(bench, &postgres, facts);
}

fn answers(bench: &Bench, postgres: &mut Postgres, redis: &mut Redis, facts: &mut Facts) {
    let web = Web::start(bench, GRACE_S);
    let ping = http::get(web.port, SITE, PING).expect("an answer");
    facts.note("ping", json!({ "status": ping.status, "body": ping.body }));
    facts.note("ping.unknown_host", web.status("nosuch.test", PING));
    facts.note("ping.default_site_is_not_used", {
        bench.configure(json!({ "default_site": SITE }));
        web.status("localhost", PING)
    });
    facts.note("login_page", web.status(SITE, "/login"));
    facts.note("assets_are_not_served", web.status(SITE, "/assets/assets.json"));
    let login = |password| {
        let form = [("usr", "Administrator"), ("pwd", password)];
        http::post(web.port, SITE, "/api/method/login", &form).map_or(0, |response| response.status)
    };
    facts.note("login", login(ADMIN_PASSWORD));
    facts.note("login.wrong_password", login("wrong"));

    redis.stop();
    facts.note("ping.redis_down", web.status(SITE, PING));
    redis.start_again();
    postgres.stop();
    facts.note("ping.postgres_down", web.status(SITE, PING));
    postgres.start_again();
    facts.note("ping.postgres_back", web.status(SITE, PING));

    maintenance(bench, &web, facts);
    broken_config(bench, &web, facts);
}

fn maintenance(bench: &Bench, web: &Web, facts: &mut Facts) {
    let on = bench.run(&["--site", SITE, "set-maintenance-mode", "on"]);
    facts.note("maintenance.exit", json!(on.exit));
    facts.note("maintenance.ping", web.status(SITE, PING));
    facts.note("maintenance.login_page", web.status(SITE, "/login"));
    bench.configure(json!({ "allow_reads_during_maintenance": 1 }));
    facts.note("maintenance.ping_with_reads_allowed", web.status(SITE, PING));
    bench.run(&["--site", SITE, "set-maintenance-mode", "off"]);
    facts.note("maintenance.ping_after", web.status(SITE, PING));
}

/// A half-written file: Frappe's own writes are not atomic.
fn broken_config(bench: &Bench, web: &Web, facts: &mut Facts) {
    for file in [format!("{SITE}/site_config.json"), "common_site_config.json".to_owned()] {
        let path = bench.sites().join(&file);
        let whole = fs::read(&path).expect("a configuration file");
        fs::write(&path, &whole[..whole.len() / 2]).expect("half a configuration file");
        let name = file.rsplit('/').next().unwrap_or(&file);
        // Real Frappe answers 404 or 500 here, depending on the thread.
        facts.note(format!("half_{name}.ping_is_200"), web.status(SITE, PING) == 200);
        facts.note(format!("half_{name}.list_apps"), json!(bench.run(&["--site", SITE, "list-apps"]).exit));
        fs::write(&path, whole).expect("the whole configuration file");
    }
}

/// Missing assets and a missing key in Redis: the page fails, and so does the error page; its session stays open and
/// blocks migrate's ALTER TABLE indefinitely. One thread, so that every request gets the state that the last one left.
fn assets(bench: &Bench, postgres: &Postgres, redis: &Redis, facts: &mut Facts) {
    let mut web = Web::spawn(bench, 2, &["--workers", "1", "--threads", "1"]);
    let mut note = |name: &str, status: u16| facts.note(format!("assets.{name}"), status);
    note("there.login_page", web.first_status(SITE, "/login"));
    let (assets, hidden) = (bench.sites().join("assets"), bench.path().join("hidden-assets"));
    fs::rename(&assets, &hidden).expect("the assets are hidden");
    redis.ask::<String>(0, &["FLUSHDB"]);
    note("hidden.ping", web.status(SITE, PING));
    note("hidden.login_page", web.status(SITE, "/login"));
    let leaks = postgres.stays_idle_in_transaction(DATABASE);
    fs::rename(&hidden, &assets).expect("the assets are back");
    note("back.login_page", web.status(SITE, "/login"));
    redis.ask::<i64>(0, &["DEL", "assets_json"]);
    note("back_and_key_deleted.login_page", web.status(SITE, "/login"));
    note("back_and_key_deleted.ping", web.status(SITE, PING));
    note("after_a_good_request.login_page", web.status(SITE, "/login"));
    facts.note("assets.hidden.leaves_session_in_transaction", leaks);
}

/// TERM takes the whole graceful timeout unless a client connects.
fn stops(bench: &Bench, postgres: &Postgres, facts: &mut Facts) {
    let mut idle = Web::start(bench, GRACE_S);
    wait_until_idle(&idle.gunicorn);
    let started = Instant::now();
    idle.gunicorn.signal(Signal::SIGTERM);
    facts.note("term.idle.exit", json!(idle.gunicorn.exit_within(READY)));
    facts.note(format!("{SEEN}term.idle.ms"), started.elapsed().as_millis() as u64);
    facts.note("term.idle.takes_the_whole_grace", started.elapsed() >= Duration::from_secs(GRACE_S.into()));

    let mut woken = Web::start(bench, LONG_GRACE_S);
    woken.gunicorn.signal(Signal::SIGTERM);
    let started = Instant::now();
    let port = woken.port;
    let exit = eventually(READY, "gunicorn ends", || {
        // A request might wait for ever: gunicorn still holds the socket when no worker accepts any more.
        drop(TcpStream::connect(("127.0.0.1", port)));
        woken.gunicorn.exit()
    });
    facts.note("term.woken.exit", exit);
    facts.note(format!("{SEEN}term.woken.ms"), started.elapsed().as_millis() as u64);

    facts.note("term.in_flight", in_flight(bench, postgres));
}

/// Waits until every worker sleeps in its poll and was not awake since some looks ago: a worker that is awake handles
/// TERM at once, and one that still boots, or still closes the last request, sleeps only for a moment.
fn wait_until_idle(gunicorn: &Running) {
    const EQUAL_LOOKS: u32 = 10;
    let pid = gunicorn.pid();
    let (mut last, mut equal) = (None, 0);
    eventually(READY, "gunicorn's workers sleep", || {
        let workers = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let sleeps: Option<Vec<u64>> = workers.split_whitespace().map(times_it_fell_asleep).collect();
        equal = if sleeps.is_some() && sleeps == last { equal + 1 } else { 0 };
        last = sleeps;
        (equal >= EQUAL_LOOKS && !workers.trim().is_empty()).then_some(())
    });
}

/// How often the worker's main thread fell asleep, if it sleeps in its poll now.
fn times_it_fell_asleep(worker: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{worker}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    // The kernel function in which the worker sleeps. "0" if that is hidden, and also while the worker runs.
    let place = fs::read_to_string(format!("/proc/{worker}/wchan")).ok()?;
    let in_poll = place.contains("poll") || place.contains("select") || place == "0";
    let asleep = field("State:")?.trim_start().starts_with('S') && in_poll;
    asleep.then(|| field("voluntary_ctxt_switches:")?.trim().parse().ok())?
}

/// A login that waits for a lock on its table when TERM comes: after the lock is released it still gets its answer.
fn in_flight(bench: &Bench, postgres: &Postgres) -> u16 {
    let mut web = Web::start(bench, 30);
    let port = web.port;
    let blocker = postgres.session(DATABASE);
    blocker.run("BEGIN; LOCK TABLE \"__Auth\" IN ACCESS EXCLUSIVE MODE");
    let login = thread::spawn(move || {
        let form = [("usr", "Administrator"), ("pwd", ADMIN_PASSWORD)];
        http::post(port, SITE, "/api/method/login", &form).map_or(0, |response| response.status)
    });
    eventually(READY, "the login waits", || {
        blocker.is("exists (select from pg_locks where not granted)").then_some(())
    });
    web.gunicorn.signal(Signal::SIGTERM);
    eventually(READY, "gunicorn takes the signal", || {
        web.gunicorn.log().contains("Handling signal: term").then_some(())
    });
    http::get(port, "nosuch.test", "/");
    drop(blocker);
    let status = login.join().expect("the login's thread");
    eventually(READY, "gunicorn ends", || {
        drop(TcpStream::connect(("127.0.0.1", port)));
        web.gunicorn.exit()
    });
    status
}
