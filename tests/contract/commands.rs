//! The commands and the meaning of their exit codes.

use serde_json::json;

use crate::facts::Facts;
use crate::support::bench::{ADMIN_PASSWORD, Bench};
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::redis::Redis;

const SITE: &str = "commands.test";
const DATABASE: &str = "contract_commands";

pub fn observe(bench: Bench, facts: &mut Facts) {
    let bench = &bench;
    let (postgres, redis) = (Postgres::start(), Redis::start());
    bench.connect(&postgres, &redis);
    drops_a_database(bench, &postgres, facts);
    refusals(bench, facts);
    exit_codes(bench, facts);
    config(bench, facts);
    force(bench, &postgres, facts);
    owner(bench, &postgres, facts);
}

/// The volume is lost, the database is kept: a plain new-site drops it without a warning.
fn drops_a_database(bench: &Bench, postgres: &Postgres, facts: &mut Facts) {
    postgres.run("postgres", &format!("CREATE DATABASE {DATABASE}"));
    postgres.run(DATABASE, "CREATE TABLE precious (id int)");
    let ran = bench.run(&Bench::new_site_options(SITE, DATABASE));
    facts.note("new_site.over_a_database.exit", json!(ran.exit));
    let kept = postgres.tables(DATABASE).contains(&"precious".to_owned());
    facts.note("new_site.over_a_database.keeps_its_tables", kept);
    let says_scheduler = ran.text.contains("Scheduler is disabled");
    facts.note("new_site.scheduler_disabled", says_scheduler);
    let progress = ran.stdout.contains("\rUpdating DocTypes for frappe");
    facts.note("new_site.progress_by_carriage_return", progress);
    facts.note(
        "new_site.config_keys",
        json!(bench.read_config(&format!("{SITE}/site_config.json")).keys().collect::<Vec<_>>()),
    );
}

fn refusals(bench: &Bench, facts: &mut Facts) {
    let mut note =
        |name: &str, ran: crate::support::bench::Ran| facts.note(format!("{name}.exit"), json!(ran.exit));
    note("new_site.again", bench.run(&Bench::new_site_options(SITE, DATABASE)));
    let with = |site: &'static str, extra: &[&'static str]| {
        let mut options = Bench::new_site_options(site, "contract_refused");
        options.extend(extra);
        bench.run(&options)
    };
    note("new_site.no_mariadb_socket", with("socket.test", &["--no-mariadb-socket"]));
    note("new_site.db_password_with_at", with("at.test", &["--db-password", "pass@word"]));
    note("new_site.unknown_app", with("app.test", &["--install-app", "nosuch"]));
    note("new_site.unknown_app.list_apps", bench.run(&["--site", "app.test", "list-apps"]));
    let base = ["--db-type", "postgres", "--db-name", "contract_asked", "--db-root-username", SUPERUSER];
    let ask = |site: &str, extra: &[&str]| bench.run(&[&["new-site", site], &base[..], extra].concat());
    note("new_site.no_root_password_no_terminal", ask("ask1.test", &["--admin-password", ADMIN_PASSWORD]));
    note("new_site.no_admin_password_no_terminal", ask("ask2.test", &["--db-root-password", PASSWORD]));
}

fn exit_codes(bench: &Bench, facts: &mut Facts) {
    for (name, arguments) in [
        ("list_apps", &["--site", SITE, "list-apps"][..]),
        ("list_apps.no_site", &["list-apps"]),
        ("list_apps.unknown_site", &["--site", "nosuch.test", "list-apps"]),
        ("use.unknown_site", &["use", "nosuch.test"]),
        ("use", &["use", SITE]),
        ("list_apps.default_site", &["list-apps"]),
        ("migrate", &["--site", SITE, "migrate"]),
        ("migrate.unknown_site", &["--site", "nosuch.test", "migrate"]),
        ("scheduler.status.disabled", &["--site", SITE, "scheduler", "status"]),
        ("enable_scheduler", &["--site", SITE, "enable-scheduler"]),
        ("scheduler.status.enabled", &["--site", SITE, "scheduler", "status"]),
        ("set_admin_password", &["--site", SITE, "set-admin-password", ADMIN_PASSWORD]),
        ("install_app.installed", &["--site", SITE, "install-app", "frappe"]),
        ("install_app.unknown", &["--site", SITE, "install-app", "nosuch"]),
        ("clear_cache", &["--site", SITE, "clear-cache"]),
        ("backup", &["--site", SITE, "backup"]),
        ("execute", &["--site", SITE, "execute", "frappe.get_installed_apps"]),
        ("unknown_command", &["--site", SITE, "nosuch-command"]),
    ] {
        let ran = bench.run(arguments);
        facts.note(format!("{name}.exit"), json!(ran.exit));
        if name.starts_with("list_apps") && ran.exit == Some(0) {
            facts.note(format!("{name}.blank"), ran.stdout.trim().is_empty());
        }
    }
}

fn config(bench: &Bench, facts: &mut Facts) {
    bench.run(&["set-config", "-g", "contract_text", "12"]);
    bench.run(&["set-config", "-g", "-p", "contract_number", "12"]);
    bench.run(&["--site", SITE, "set-config", "contract_flag", "true"]);
    let common = bench.read_config("common_site_config.json");
    facts.note("set_config.text", common["contract_text"].clone());
    facts.note("set_config.parsed", common["contract_number"].clone());
    let site = bench.read_config(&format!("{SITE}/site_config.json"));
    facts.note("set_config.true", site["contract_flag"].clone());
    facts.note("use.sets_default_site", common["default_site"].clone());
}

fn force(bench: &Bench, postgres: &Postgres, facts: &mut Facts) {
    let forced = [&["new-site"][..], &Bench::new_site_options(SITE, DATABASE)[1..], &["--force"]].concat();
    let session = postgres.session(DATABASE);
    facts.note("new_site.force.with_a_session.exit", json!(bench.run(&forced).exit));
    drop(session);
    facts.note("new_site.force.exit", json!(bench.run(&forced).exit));
}

/// Role and database made beforehand: `--no-setup-db`. Then a foreign table, owned by the site's role or by another.
fn owner(bench: &Bench, postgres: &Postgres, facts: &mut Facts) {
    let database = "contract_owner";
    postgres.run("postgres", &format!("CREATE ROLE {database} LOGIN PASSWORD 'owner'"));
    postgres.run("postgres", &format!("CREATE DATABASE {database} OWNER {database}"));
    let options =
        ["new-site", "owner.test", "--db-type", "postgres", "--db-name", database, "--db-password", "owner"];
    let ran = bench.run(&[&options[..], &["--no-setup-db", "--admin-password", ADMIN_PASSWORD]].concat());
    facts.note("new_site.no_setup_db.exit", json!(ran.exit));
    postgres.run(database, "CREATE TABLE public.\"__cauldron_state\" (id int)");
    facts.note(
        "backup.beside_a_foreign_table.exit",
        json!(bench.run(&["--site", "owner.test", "backup"]).exit),
    );
    postgres.run(database, &format!("ALTER TABLE public.\"__cauldron_state\" OWNER TO {database}"));
    facts.note("migrate.beside_our_table.exit", json!(bench.run(&["--site", "owner.test", "migrate"]).exit));
    facts.note("backup.beside_our_table.exit", json!(bench.run(&["--site", "owner.test", "backup"]).exit));
    facts.note("our_table_stays", postgres.tables(database).contains(&"__cauldron_state".to_owned()));
}
