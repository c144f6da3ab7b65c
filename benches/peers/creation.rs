//! The duration of a creation, compared with Frappe's own `new-site` as root followed by `enable-scheduler`; and the
//! duration of a start that has nothing to do.

use std::process::Command;

use super::clock::ms_between;
use super::lab::{Lab, NEW_SITE, Site};
use super::report::{Row, Target};
use super::samples::{Subject, take_turns};
use super::support::bench::ADMIN_PASSWORD;
use super::support::postgres::{PASSWORD, SUPERUSER};

/// Each round creates a site, which takes long on a real bench.
const CREATIONS: usize = 5;
const STARTS: usize = 25;

pub fn measure(lab: &Lab) -> Vec<Row> {
    let site = lab.site();
    let (mut ours, mut theirs) = (0, 0);
    let creations = take_turns(
        CREATIONS,
        vec![
            Subject::new("ours", || {
                ours += 1;
                let name = format!("ours{ours}");
                let mut bootstrap = lab.on_site(site, "bootstrap");
                bootstrap.env("SITE_NAME", format!("{name}.local")).env("DB_NAME", name);
                elapsed_ms(lab, &mut bootstrap)
            }),
            Subject::new("bench new-site, enable-scheduler", || {
                theirs += 1;
                let name = format!("theirs{theirs}");
                elapsed_ms(lab, &mut new_site(lab, site, &name))
                    + elapsed_ms(lab, &mut enable_scheduler(site, &name))
            }),
        ],
    );
    let starts = take_turns(
        STARTS,
        vec![Subject::new("ours", || elapsed_ms(lab, &mut lab.on_site(site, "bootstrap")))],
    );
    let kind = if site.bench.is_real() { "a real bench" } else { "the sample bench" };
    vec![
        Row::new("a creation, from nothing to a finished site", "ms", creations, Target::RatioAtMost(1.03))
            .noted(&format!("on {kind}; both also create role and database")),
        Row::new("a start where nothing is to be done", "ms", starts, Target::AtMost(30.0))
            .noted("`bootstrap` from exec to exit: dependencies, lock, inspection, decision, release"),
    ]
}

fn elapsed_ms(lab: &Lab, command: &mut Command) -> f64 {
    let mut started = lab.start(command);
    let ended_ns = started.end_ns_within(NEW_SITE);
    ms_between(started.at_ns, ended_ns)
}

/// A Frappe command, started as `bench` starts it.
fn frappe(site: &Site) -> Command {
    let mut command = Command::new(site.bench.path().join("env/bin/python"));
    command.args(["-m", "frappe.utils.bench_helper", "frappe"]).current_dir(site.bench.sites());
    command.envs(site.bench.environment().iter().map(|(name, value)| (name, value)));
    command
}

fn new_site(lab: &Lab, site: &Site, name: &str) -> Command {
    let postgres = &lab.servers().postgres;
    let mut command = frappe(site);
    command.arg("new-site").args(["--db-type", "postgres", "--db-name", name]).args([
        "--db-root-username",
        SUPERUSER,
        "--db-root-password",
        PASSWORD,
        "--admin-password",
        ADMIN_PASSWORD,
        "--db-host",
        postgres.host(),
        "--db-port",
        &postgres.port().to_string(),
    ]);
    command.arg(format!("{name}.local"));
    command
}

fn enable_scheduler(site: &Site, name: &str) -> Command {
    let mut command = frappe(site);
    command.args(["--site", &format!("{name}.local"), "enable-scheduler"]);
    command
}
