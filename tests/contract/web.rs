//! gunicorn and what it answers, in every state of site and servers.

use std::fs;
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
use crate::support::wait::eventually;
use crate::support::{http, port};

const SITE: &str = "web.test";
const DATABASE: &str = "contract_web";
const PING: &str = "/api/method/ping";
const READY: Duration = Duration::from_secs(30);
/// Stands for Frappe's 30 s.
const GRACE_S: u32 = 4;

pub struct Web {
    pub gunicorn: Running,
    pub port: u16,
}

impl Web {
    pub fn start(bench: &Bench, grace_s: u32) -> Self {
        let port = port::free();
        let mut gunicorn = Running::spawn(&mut bench.gunicorn(port, grace_s));
        eventually(READY, "gunicorn answers", || {
            assert_eq!(gunicorn.exit(), None, "gunicorn: {}", gunicorn.log());
            http::get(port, "nosuch.test", "/").map(drop)
        });
        Self { gunicorn, port }
    }

    pub fn status(&self, host: &str, path: &str) -> u16 {
        http::status(self.port, host, path)
    }
}

pub fn observe(bench: &Bench, facts: &mut Facts) {
    let (mut postgres, mut redis) = (Postgres::start(), Redis::start());
    bench.connect(&postgres, &redis);
    bench.new_site(SITE, DATABASE);
    answers(bench, &mut postgres, &mut redis, facts);
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

/// Frappe's own writes are not atomic, so a reader can meet half a file.
fn broken_config(bench: &Bench, web: &Web, facts: &mut Facts) {
    for file in [format!("{SITE}/site_config.json"), "common_site_config.json".to_owned()] {
        let path = bench.sites().join(&file);
        let whole = fs::read(&path).expect("a configuration file");
        fs::write(&path, &whole[..whole.len() / 2]).expect("half a configuration file");
        let name = file.rsplit('/').next().unwrap_or(&file);
        facts.note(format!("half_{name}.ping"), web.status(SITE, PING));
        facts.note(format!("half_{name}.list_apps"), json!(bench.run(&["--site", SITE, "list-apps"]).exit));
        fs::write(&path, whole).expect("the whole configuration file");
    }
}

/// The trap: TERM takes the whole graceful timeout unless somebody connects.
fn stops(bench: &Bench, postgres: &Postgres, facts: &mut Facts) {
    let mut idle = Web::start(bench, GRACE_S);
    let started = Instant::now();
    idle.gunicorn.signal(Signal::SIGTERM);
    facts.note("term.idle.exit", json!(idle.gunicorn.exit_within(READY)));
    facts.note(format!("{SEEN}term.idle.ms"), started.elapsed().as_millis() as u64);
    facts.note("term.idle.takes_the_whole_grace", started.elapsed() >= Duration::from_secs(GRACE_S.into()));

    let mut woken = Web::start(bench, GRACE_S);
    woken.gunicorn.signal(Signal::SIGTERM);
    let started = Instant::now();
    let port = woken.port;
    let exit = eventually(READY, "gunicorn ends", || {
        http::get(port, "nosuch.test", "/");
        woken.gunicorn.exit()
    });
    facts.note("term.woken.exit", exit);
    facts.note(format!("{SEEN}term.woken.ms"), started.elapsed().as_millis() as u64);
    facts.note("term.woken.is_quick", started.elapsed() < Duration::from_secs(GRACE_S.into()) / 2);

    facts.note("term.in_flight", in_flight(bench, postgres));
}

/// A login waits for a lock on its table; TERM comes; the lock goes: the login still gets its answer.
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
        http::get(port, "nosuch.test", "/");
        web.gunicorn.exit()
    });
    status
}
