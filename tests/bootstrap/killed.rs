//! A creation that was cut off: never reported as done, never destroyed, and finished only where Frappe's own record says
//! that it may be.

use nix::sys::signal::Signal;

use crate::place::{DATABASE, Place, SITE};
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;
use crate::support::snapshot;
use crate::support::wait::within;

/// Every edge of new-site from its first file to Administrator's password, in its order.
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
/// After it the site is never cleared; one migrate finishes it.
const COMPLETE: [&str; 4] =
    ["administrator_password", "after_install:frappe", "scheduled_jobs:frappe", "scheduler_set"];

/// Kills new-site at `step`; the pod that ran it says 75.
fn killed_at(step: &str) -> Place {
    let place = Place::new();
    let barrier = Barrier::at(step);
    let pod = barrier.on(place.leader()).spawn();
    let held = barrier.reached();
    held.kill_9();
    drop(held);
    pod.end().exits(75).says("new-site");
    assert_eq!(place.state("phase").as_deref(), Some("creating"), "at {step}");
    place
}

fn stays_as_it_is(steps: &[&str]) {
    for step in steps {
        let place = killed_at(step);
        let (files, cluster) =
            (snapshot::files(&place.bench), snapshot::cluster_without_state(&place.postgres));
        place.leader().run().exits(75).says("did not finish");
        snapshot::same(&files, &snapshot::files(&place.bench));
        snapshot::same(&cluster, &snapshot::cluster_without_state(&place.postgres));
    }
}

#[test]
fn before_its_tables() {
    stays_as_it_is(&UNFINISHED[..3]);
}

#[test]
fn among_its_tables() {
    stays_as_it_is(&UNFINISHED[3..6]);
}

#[test]
fn before_administrator() {
    stays_as_it_is(&UNFINISHED[6..]);
}

#[test]
fn after_administrator_one_migrate_finishes_it() {
    for step in COMPLETE {
        let place = killed_at(step);
        place.leader().run().exits(0).says("migrating once");
        assert_eq!(place.state("phase").as_deref(), Some("complete"));
        let site = place.site();
        let jobs = "select count(*)::text from \"tabScheduled Job Type\"";
        assert_ne!(site.value(jobs).as_deref(), Some("0"), "at {step}");
        let scheduler = "select value from \"tabSingles\" where field = 'enable_scheduler'";
        assert_eq!(site.value(scheduler).as_deref(), Some("1"), "at {step}");
        assert_eq!(place.bench.read_config("common_site_config.json")["default_site"], SITE);
        place.leader().run().exits(0).says("nothing to do");
    }
}

/// `web` on a half-built site: unready, with the reason, and it can be held there to be looked at.
#[test]
fn a_probe_on_a_half_built_site_is_red() {
    let place = killed_at("core_tables");
    let mut pod = place
        .leader()
        .with_command("web")
        .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{}", crate::support::port::free()))
        .set("CAULDRON_ON_FAILURE", "hold")
        .start();
    pod.says("did not finish");
    pod.answers("/livez", 200);
    assert_eq!(pod.probe("/readyz"), 503);
    assert!(pod.body("/readyz").contains("did not finish"), "{}", pod.body("/readyz"));
    pod.signal(Signal::SIGTERM);
    pod.end().exits(75);
    let web = place.leader().with_command("web").set("CAULDRON_WEB_ADDR", "127.0.0.1:0");
    web.run().exits(75).says("did not finish");
}

/// The supervisor itself, at an instant when nobody can record anything.
#[test]
fn a_killed_supervisor_leaves_what_the_next_start_understands() {
    for (step, code, words) in
        [("core_tables", 75, "did not finish"), ("scheduled_jobs:frappe", 0, "migrating once")]
    {
        let place = Place::new();
        let barrier = Barrier::at(step);
        let mut pod = barrier.on(place.leader()).spawn();
        let held = barrier.reached();
        pod.signal(Signal::SIGKILL);
        assert_eq!(within(LONG, || pod.exit()), Some(-9));
        // A container ends with its PID 1; here the step has to be ended by hand.
        held.kill_9();
        drop(held);
        place.leader().run().exits(code).says(words);
        assert_eq!(place.site().value(LOCKS).as_deref(), Some("0"));
    }
}

const LOCKS: &str = "select count(*)::text from pg_locks where locktype = 'advisory'";

/// Killed between the mark on the volume and the first file of Frappe's: nothing is there to be kept.
#[test]
fn an_attempt_of_which_nothing_is_left_is_made_again() {
    let place = Place::new();
    place.created();
    place.postgres.run("postgres", "DROP DATABASE frappe");
    std::fs::remove_dir_all(place.bench.sites().join(SITE)).expect("the site's folder");
    let attempt = place.bench.sites().join(".cauldron").join(SITE).join("attempt");
    std::fs::write(attempt, "a1").expect("an attempt");
    place.created();
    assert!(place.postgres.database_exists(DATABASE));
}
