//! The behaviour if apps.txt, importable code and installed_apps disagree, and if install-app is killed.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::facts::Facts;
use crate::gate::Gate;
use crate::support::bench::Bench;
use crate::support::other_app::OtherApp;
use crate::support::postgres::Postgres;
use crate::support::redis::Redis;
use crate::support::running::Running;
use crate::support::wait::{eventually, within};
use crate::web::Web;

const READY: Duration = Duration::from_secs(60);
const PING: &str = "/api/method/ping";

pub fn observe(mut bench: Bench, facts: &mut Facts) {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    bench.connect(&postgres, &redis);
    let app = OtherApp::add(&mut bench);
    app.set_listed(true);
    bench.new_site("apps.test", "contract_apps");
    install(&bench, &postgres, facts);
    linked(&bench, facts);
    disagree(&bench, &postgres, &redis, &app, facts);
    killed(
        &bench,
        &postgres,
        "NEW.defkey = 'installed_apps'",
        "tabDefaultValue",
        "before_installed_apps",
        facts,
    );
    killed(&bench, &postgres, "NEW.patch LIKE 'ledger%'", "tabPatch Log", "after_installed_apps", facts);
}

fn install(bench: &Bench, postgres: &Postgres, facts: &mut Facts) {
    facts.note("install_app.exit", json!(bench.run(&["--site", "apps.test", "install-app", "ledger"]).exit));
    let list = bench.run(&["--site", "apps.test", "list-apps"]);
    facts.note("install_app.listed", list.stdout.contains("ledger"));
    let tables = postgres.tables("contract_apps");
    facts.note("install_app.table", tables.contains(&"tabLedger Entry".to_owned()));
    facts.note("install_app.after_install_ran", bench.sites().join("apps.test/ledger_installed").exists());
    facts.note("install_app.scheduled_job", has_job(postgres));
    bench.run(&["--site", "apps.test", "migrate"]);
    facts.note("migrate.installed_application_row", has_version(postgres));
}

fn has_job(postgres: &Postgres) -> bool {
    let sql = "exists (select from \"tabScheduled Job Type\" where method like 'ledger%')";
    postgres.session("contract_apps").is(sql)
}

fn has_version(postgres: &Postgres) -> bool {
    let sql = "exists (select from \"tabInstalled Application\" where app_name = 'ledger')";
    postgres.session("contract_apps").is(sql)
}

/// A site folder that is a link, as in a pod's overlay: a site by its name, and not part of `all`.
fn linked(bench: &Bench, facts: &mut Facts) {
    let view = tempfile::tempdir().expect("a folder");
    let sites = view.path().join("sites");
    // Frappe's commands log into `../logs`.
    for folder in [&sites, &view.path().join("logs")] {
        fs::create_dir(folder).expect("a folder");
    }
    for entry in fs::read_dir(bench.sites()).expect("sites").flatten() {
        symlink(entry.path(), sites.join(entry.file_name())).expect("a link");
    }
    let mut lists = |site: &str| {
        let mut command = bench.frappe(&["--site", site, "list-apps"]);
        let output = command.current_dir(&sites).output().expect("python runs");
        facts.note(
            format!("linked_site.is_listed_as_{site}"),
            String::from_utf8_lossy(&output.stdout).contains("ledger"),
        );
    };
    lists("apps.test");
    lists("all");
}

/// The table of docs/frappe-contract.md#disagreeing-app-lists.
fn disagree(bench: &Bench, postgres: &Postgres, redis: &Redis, app: &OtherApp, facts: &mut Facts) {
    for (name, listed, importable) in [
        ("listed_and_importable", true, true),
        ("only_importable", false, true),
        ("only_listed", true, false),
        ("neither", false, false),
    ] {
        app.set_listed(listed);
        app.set_importable(importable);
        state(bench, redis, name, facts);
        if importable {
            facts.note(format!("{name}.keeps_scheduled_job"), has_job(postgres));
            facts.note(format!("{name}.keeps_installed_application_row"), has_version(postgres));
        }
    }
    app.set_importable(true);
    app.remove_list();
    state(bench, redis, "no_apps_txt", facts);
    app.set_listed(true);
    facts.note("back.migrate", json!(bench.run(&["--site", "apps.test", "migrate"]).exit));
    facts.note("back.scheduled_job", has_job(postgres));
}

fn state(bench: &Bench, redis: &Redis, name: &str, facts: &mut Facts) {
    // The cached list of apps would hide the change.
    redis.ask::<String>(0, &["FLUSHALL"]);
    let mut web = Web::spawn(bench, 2, &[]);
    let ping = web.first_status("apps.test", PING);
    facts.note(format!("{name}.ping_is_200"), ping == 200);
    facts.note(format!("{name}.login_page_is_200"), web.first_status("apps.test", "/login") == 200);
    drop(web);
    facts.note(format!("{name}.migrate"), json!(bench.run(&["--site", "apps.test", "migrate"]).exit));
    let mut worker = Running::spawn(&mut bench.frappe(&["worker", "--queue", "short"]));
    let runs = eventually(READY, "the worker listens or ends", || {
        if worker.log().contains("Listening") { Some(true) } else { worker.exit().map(|_| false) }
    });
    facts.note(format!("{name}.worker_runs"), runs);
    if runs {
        worker.signal(Signal::SIGTERM);
        worker.exit_within(READY);
    }
}

/// install-app killed at an edge, on its own site: the results of a plain retry and of --force.
fn killed(bench: &Bench, postgres: &Postgres, condition: &str, table: &str, name: &str, facts: &mut Facts) {
    let (site, database) = (format!("{}.test", name.replace('_', "-")), format!("contract_{name}"));
    bench.new_site(&site, &database);
    let gate = Gate::on_row(postgres, &database, table, condition);
    let mut install = Running::spawn(&mut bench.frappe(&["--site", &site, "install-app", "ledger"]));
    assert!(gate.is_reached(READY, || false), "{name}: {}", install.log());
    install.kill_group();
    gate.open(&database);
    let marked = || bench.sites().join(&site).join("ledger_installed").exists();
    let run = |extra: &[&str]| bench.run(&[&["--site", &site, "install-app", "ledger"], extra].concat());
    facts.note(format!("install_app.killed_{name}.retry"), json!(run(&[]).exit));
    facts.note(format!("install_app.killed_{name}.second_retry"), json!(run(&[]).exit));
    facts.note(format!("install_app.killed_{name}.after_install_ran"), marked());
    facts.note(format!("install_app.killed_{name}.force"), json!(run(&["--force"]).exit));
    facts.note(
        format!("install_app.killed_{name}.after_install_ran_then"),
        within(Duration::ZERO, || Some(marked())),
    );
}
