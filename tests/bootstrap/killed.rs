//! A killed creation: never reported as done, and completed by the next start.

use nix::sys::signal::Signal;

use crate::stage::{self, DATABASE, SITE, held_at, kill_9, served};
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;
use crate::support::generation::{Generation, of_each_generation};
use crate::support::postgres::SUPERUSER;
use crate::support::session::Session;
use crate::support::snapshot;
use crate::support::stage::Stage;
use crate::support::wait::within;

/// Every step of new-site from its first file to Administrator's password, in order.
const UNFINISHED: [&str; 9] = [
    "folders",
    "site_config",
    "core_tables",
    "extra_tables",
    "doctype:User",
    "doctypes:frappe",
    "installed_apps:frappe",
    "patch_log:frappe",
    "administrator",
];
/// From these steps on the site is never cleared; one migrate completes it.
const COMPLETE: [&str; 4] =
    ["administrator_password", "after_install:frappe", "scheduled_jobs:frappe", "scheduler_set"];

/// Kills new-site at `step`; the pod that ran it exits 75.
fn killed_at(step: &str) -> Stage {
    killed_on(Generation::Frappe15, step)
}

fn killed_on(generation: Generation, step: &str) -> Stage {
    let stage = stage::of(generation);
    let barrier = Barrier::at(step);
    let pod = held_at(stage.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    kill_9(held.pid);
    drop(held);
    pod.end().exits(75).says("new-site");
    assert_eq!(stage.state("phase").as_deref(), Some("creating"), "at {step}");
    stage
}

/// A table in another database of the server, and a file of another application beside the site.
struct Canaries;

impl Canaries {
    fn set(stage: &Stage) -> Self {
        stage.postgres.run("postgres", "CREATE DATABASE neighbour");
        stage.postgres.run("neighbour", "CREATE TABLE orders AS SELECT 42 AS id");
        std::fs::write(stage.bench.sites().join("note.txt"), "42").expect("a file");
        Self
    }

    #[track_caller]
    fn live(&self, stage: &Stage) {
        let orders = stage.postgres.session("neighbour").value("SELECT id::text FROM orders");
        let note = std::fs::read_to_string(stage.bench.sites().join("note.txt")).ok();
        assert_eq!((orders.as_deref(), note.as_deref()), (Some("42"), Some("42")));
    }
}

#[track_caller]
fn is_made_again(stage: &Stage) {
    let canaries = Canaries::set(stage);
    stage.leader().run().exits(0).event("site.unfinished_cleared");
    assert_eq!(stage.state("phase").as_deref(), Some("complete"));
    canaries.live(stage);
    stage.leader().run().exits(0).event("site.up_to_date");
}

fn each_is_made_again(generation: Generation, steps: &[&str]) {
    for step in steps {
        let stage = killed_on(generation, step);
        is_made_again(&stage);
        let trash = stage.bench.sites().join(".cauldron/trash");
        let kept = std::fs::read_dir(trash).expect("the earlier folder").count();
        assert_eq!(kept, 1, "at {step}");
    }
}

of_each_generation![
    killed_between_the_tables,
    killed_before_administrator,
    killed_after_administrator_one_migrate_completes_it,
];

#[test]
fn killed_before_the_tables() {
    each_is_made_again(Generation::Frappe15, &UNFINISHED[..3]);
}

fn killed_between_the_tables(generation: Generation) {
    each_is_made_again(generation, &UNFINISHED[3..6]);
}

fn killed_before_administrator(generation: Generation) {
    each_is_made_again(generation, &UNFINISHED[6..]);
}

/// The guard: another client restores a dump into the unfinished site, with either login.
#[test]
fn the_session_of_another_client_stops_us() {
    let stage = killed_at("core_tables");
    for user in [DATABASE, SUPERUSER] {
        let mut config = stage.postgres.config(DATABASE);
        config.application_name("pg_restore");
        if user == DATABASE {
            let own = stage.site_config();
            config.user(DATABASE).password(own["db_password"].as_str().expect("a password"));
        }
        let stranger = Session::open(&config).expect("a stranger's session");
        let (files, cluster) =
            (snapshot::files(&stage.bench), snapshot::cluster_without_state(&stage.postgres));
        stage.leader().run().exits(75).refuses("database-in-use").says("pg_restore").says(user);
        snapshot::same(&files, &snapshot::files(&stage.bench));
        snapshot::same(&cluster, &snapshot::cluster_without_state(&stage.postgres));
        drop(stranger);
    }
    is_made_again(&stage);
}

/// Objects that only a person can have created are never cleared: each of them stops us, and is named.
#[test]
fn objects_of_others_are_not_cleared() {
    for (made, named) in [
        ("CREATE TABLE public.orders (id int)", "public.orders"),
        ("CREATE VIEW public.report AS SELECT * FROM public.\"tabDocType\"", "public.report"),
        ("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "public.f"),
        ("CREATE SCHEMA theirs CREATE TABLE theirs.t (id int)", "theirs"),
    ] {
        let stage = killed_at("core_tables");
        stage.postgres.run(DATABASE, made);
        let before = stage.snapshot();
        stage.leader().run().exits(65).refuses("foreign-database").says(named);
        stage.is_unchanged_since(&before);
    }
}

/// Users beside Administrator and Guest: a backup was partly restored, so this is not a creation of ours.
#[test]
fn users_of_a_restored_backup_are_not_cleared() {
    let stage = killed_at("administrator");
    stage.postgres.run(DATABASE, "INSERT INTO public.\"tabUser\" (name) VALUES ('jane@example.com')");
    let before = stage.snapshot();
    stage.leader().run().exits(65).refuses("foreign-database");
    stage.is_unchanged_since(&before);
}

/// Production restored into an unfinished site: complete, and never cleared.
#[test]
fn production_restored_into_an_unfinished_site_stays() {
    let stage = killed_at("administrator_password");
    stage
        .postgres
        .run(DATABASE, "CREATE TABLE public.orders (id int); INSERT INTO public.orders VALUES (42)");
    stage.leader().run().exits(0).event("site.completing");
    assert_eq!(stage.session().value("select id::text from public.orders").as_deref(), Some("42"));
}

/// site_config.json was truncated by the kill, on a site that is otherwise complete.
#[test]
fn a_truncated_site_config_of_our_own_attempt_is_written_again() {
    let stage = killed_at("administrator_password");
    let path = stage.file("site_config.json");
    std::fs::write(&path, "{\"db_na").expect("half a file");
    stage.leader().run().exits(0).event("site.completing");
    served(stage.leader()).ping_and_stop();
}

fn killed_after_administrator_one_migrate_completes_it(generation: Generation) {
    for step in COMPLETE {
        let stage = killed_on(generation, step);
        stage.leader().run().exits(0).event("site.completing");
        assert_eq!(stage.state("phase").as_deref(), Some("complete"));
        let site = stage.session();
        let jobs = "select count(*)::text from \"tabScheduled Job Type\"";
        assert_ne!(site.value(jobs).as_deref(), Some("0"), "at {step}");
        let scheduler = "select value from \"tabSingles\" where field = 'enable_scheduler'";
        assert_eq!(site.value(scheduler).as_deref(), Some("1"), "at {step}");
        assert_eq!(stage.bench.read_config("common_site_config.json")["default_site"], SITE);
        stage.leader().run().exits(0).event("site.up_to_date");
    }
}

/// `web` on an unfinished site: not ready, with the reason, and kept up for inspection if so configured.
#[test]
fn a_pod_with_an_unfinished_site_is_not_ready() {
    let stage = killed_at("core_tables");
    let stranger = stage.session();
    let mut pod = stage
        .leader()
        .with_command("web")
        .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{}", crate::support::port::free()))
        .set("CAULDRON_ON_FAILURE", "hold")
        .start();
    pod.says("other sessions use its database");
    pod.answers("/livez", 200);
    assert_eq!(pod.probe("/readyz"), 503);
    assert!(pod.body("/readyz").contains("other sessions use its database"), "{}", pod.body("/readyz"));
    pod.signal(Signal::SIGTERM);
    pod.end().exits(75);
    let web = stage.leader().with_command("web").set("CAULDRON_WEB_ADDR", "127.0.0.1:0");
    web.run().exits(75).refuses("database-in-use");
    drop(stranger);
}

/// The supervisor itself is killed, so that nothing can be recorded.
#[test]
fn the_next_start_recovers_from_a_killed_supervisor() {
    for (step, event) in
        [("core_tables", "site.unfinished_cleared"), ("scheduled_jobs:frappe", "site.completing")]
    {
        let stage = stage::empty();
        let barrier = Barrier::at(step);
        let mut pod = held_at(stage.leader(), &barrier).spawn();
        let held = barrier.wait(LONG);
        pod.signal(Signal::SIGKILL);
        assert_eq!(within(LONG, || pod.exit()), Some(-9));
        // A container ends with its PID 1; here the step has to be killed separately.
        kill_9(held.pid);
        drop(held);
        stage.leader().run().exits(0).event(event);
        assert_eq!(stage.session().value(LOCKS).as_deref(), Some("0"));
    }
}

const LOCKS: &str = "select count(*)::text from pg_locks where locktype = 'advisory'";

/// Killed between the mark on the volume and Frappe's first file: there is nothing to keep.
#[test]
fn an_attempt_without_any_remains_is_created_again() {
    let stage = stage::empty();
    stage.created();
    stage.postgres.run("postgres", "DROP DATABASE frappe");
    std::fs::remove_dir_all(stage.bench.sites().join(SITE)).expect("the site's folder");
    let attempt = stage.bench.sites().join(".cauldron").join(SITE).join("attempt");
    std::fs::write(attempt, "a1").expect("an attempt");
    stage.created();
    assert!(stage.postgres.database_exists(DATABASE));
}
