//! new-site killed at each edge: what it leaves, and how the other commands then behave.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::edges::{EDGES, Edge, Next};
use crate::facts::Facts;
use crate::gate::Gate;
use crate::processes::argv_secrets;
use crate::record::SEEN;
use crate::support::bench::{Bench, Ran};
use crate::support::postgres::Postgres;
use crate::support::redis::Redis;
use crate::support::running::Running;
use crate::support::session::Session;
use crate::web::Web;

const EDGE: Duration = Duration::from_secs(600);
/// The tables of framework_postgres.sql, on every Frappe 15.
const CORE: [&str; 11] = [
    "__Auth",
    "tabDefaultValue",
    "tabDocField",
    "tabDocPerm",
    "tabDocType",
    "tabDocType Action",
    "tabDocType Link",
    "tabFile",
    "tabSeries",
    "tabSessions",
    "tabSingles",
];

pub fn observe(bench: Bench, facts: &mut Facts) {
    let bench = &bench;
    let (postgres, redis) = (Postgres::start(), Redis::start());
    bench.connect(&postgres, &redis);
    let mut all_tables = 0;
    // The last edge is a finished site, which gives the number of all tables.
    for edge in EDGES.iter().rev() {
        let site = format!("{}.test", edge.name.replace('_', "-"));
        let database = format!("edge_{}", edge.name);
        kill_at(bench, &postgres, edge, &site, &database, facts);
        if matches!(edge.next, Next::End) {
            all_tables = postgres.tables(&database).len();
        }
        note_state(bench, &postgres, edge, &site, &database, all_tables, facts);
    }
}

fn kill_at(bench: &Bench, postgres: &Postgres, edge: &Edge, site: &str, database: &str, facts: &mut Facts) {
    let gate = Gate::set(postgres, &edge.next);
    let started = Instant::now();
    let mut options = Bench::new_site_options(site, database);
    options.extend(["--db-password", SITE_PASSWORD]);
    let mut new_site = Running::spawn(&mut bench.frappe(&options));
    if matches!(edge.next, Next::End) {
        assert_eq!(new_site.exit_within(EDGE), Some(0), "new-site: {}", new_site.log());
    } else {
        let pid = new_site.pid();
        let ended = || !fs::exists(format!("/proc/{pid}/task")).unwrap_or(false) || is_zombie(pid);
        assert!(gate.is_reached(EDGE, ended), "{} was not reached: {}", edge.name, new_site.log());
    }
    if matches!(edge.next, Next::AnyTable) {
        facts.note("secrets_in_argv", argv_secrets(new_site.pid()));
    }
    facts.note(format!("{SEEN}{}.ms", edge.name), started.elapsed().as_millis() as u64);
    new_site.kill_group();
    gate.open(database);
}

pub const SITE_PASSWORD: &str = "Site-Secret_3";

fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

fn note_state(
    bench: &Bench,
    postgres: &Postgres,
    edge: &Edge,
    site: &str,
    database: &str,
    all: usize,
    facts: &mut Facts,
) {
    let mut note = |name: &str, value: serde_json::Value| facts.note(format!("{}.{name}", edge.name), value);
    let folder = bench.sites().join(site);
    note("site_folder", json!(folder.exists()));
    note("site_config", json!(folder.join("site_config.json").exists()));
    note("test_log", json!(folder.join(".test_log").exists()));
    let admin = postgres.session("postgres");
    note("role", json!(admin.is(&format!("exists (select from pg_roles where rolname = '{database}')"))));
    let exists = postgres.database_exists(database);
    note("database", json!(exists));
    let tables = if exists { postgres.tables(database) } else { Vec::new() };
    note("tables", json!(class(&tables, all)));
    let count = tables.len();
    if exists {
        let session = postgres.session(database);
        for (name, table, condition) in ROWS {
            note(name, json!(has_row(&session, &tables, table, condition)));
        }
    }
    let mut web = Web::spawn(bench, 2, &[]);
    let (list, ping, again) = run_concurrently(bench, &mut web, site, database);
    // The output of a failure is not part of the contract; that a success prints nothing is.
    let shows = if list.stdout.trim().is_empty() { "nothing" } else { "apps" };
    note(
        "list_apps",
        if list.exit == Some(0) {
            json!({ "exit": 0, "shows": shows })
        } else {
            json!({ "exit": list.exit })
        },
    );
    note("ping", json!(ping));
    note("ping_leaves_session_in_transaction", json!(postgres.stays_idle_in_transaction(database)));
    drop(web);
    note("second_new_site", json!({ "exit": again.exit, "already": again.text.contains("already exists") }));
    let migrate = bench.run(&["--site", site, "migrate"]);
    note("migrate", json!(migrate.exit));
    if exists {
        let session = postgres.session(database);
        let tables = postgres.tables(database);
        let jobs = has_row(&session, &tables, "tabScheduled Job Type", "true");
        note("scheduled_jobs_after_migrate", json!(jobs));
    }
    facts.note(format!("{SEEN}{}.tables", edge.name), count);
    facts.note(format!("{SEEN}{}.migrate_says", edge.name), migrate.text.trim().lines().last().unwrap_or(""));
}

/// Runs list-apps, ping and a second plain new-site at the same time: none of them changes anything.
fn run_concurrently(bench: &Bench, web: &mut Web, site: &str, database: &str) -> (Ran, u16, Ran) {
    thread::scope(|scope| {
        let list = scope.spawn(|| bench.run(&["--site", site, "list-apps"]));
        let again = scope.spawn(|| bench.run(&Bench::new_site_options(site, database)));
        let ping = web.first_status(site, "/api/method/ping");
        (list.join().expect("list-apps"), ping, again.join().expect("new-site"))
    })
}

const ROWS: [(&str, &str, &str); 6] = [
    ("installed_apps", "tabDefaultValue", "defkey = 'installed_apps'"),
    ("patches_logged", "tabPatch Log", "true"),
    ("administrator", "tabUser", "name = 'Administrator'"),
    ("administrator_password", "__Auth", "name = 'Administrator' and fieldname = 'password'"),
    ("scheduled_jobs", "tabScheduled Job Type", "true"),
    ("scheduler_enabled", "tabSingles", "field = 'enable_scheduler' and value = '1'"),
];

fn has_row(session: &Session, tables: &[String], table: &str, condition: &str) -> bool {
    tables.iter().any(|name| name == table)
        && session.is(&format!("exists (select from \"{table}\" where {condition})"))
}

fn class(tables: &[String], all: usize) -> &'static str {
    let tables: BTreeSet<&str> = tables.iter().map(String::as_str).collect();
    if tables.is_empty() {
        "none"
    } else if tables.len() == all {
        "all"
    } else if tables == BTreeSet::from(CORE) {
        "core"
    } else {
        "some"
    }
}
