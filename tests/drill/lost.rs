//! The database or the volume is lost, or a wrong one is configured: refused if the program cannot know, without any
//! change.

use std::process::{Command, Stdio};

use crate::drill_stage::DrillStage;
use crate::edges::cut_off;
use crate::stage::{DATABASE, SITE, served};
use crate::support::bench::Bench;
use crate::support::binary::Binary;
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::trace::Trace;

/// The state of a site before the incident.
#[derive(Clone, Copy, Debug)]
enum Before {
    Finished,
    /// Its step was killed at this point.
    CutOff(&'static str),
}

const BEFORE: [Before; 4] = [
    Before::Finished,
    Before::CutOff("core_tables"),
    Before::CutOff("administrator"),
    Before::CutOff("administrator_password"),
];

impl Before {
    fn made(self, stage: &DrillStage) {
        match self {
            Self::Finished => stage.created(),
            Self::CutOff(step) => cut_off(stage, &Trace::new(), step),
        }
    }
}

/// Checks that the pod refuses, twice, and leaves files and cluster unchanged, byte for byte.
#[track_caller]
fn refuses(stage: &DrillStage, binary: &Binary, code: i32) {
    let before = stage.snapshot();
    for _ in 0..2 {
        binary.clone().run().exits(code);
        stage.is_unchanged_since(&before);
    }
}

/// Checks that the site works again after the lost part is back.
#[track_caller]
fn recovers(stage: &DrillStage) {
    stage.leader().run().exits(0);
    stage.check().unwrap_or_else(|miss| panic!("{miss}"));
}

#[test]
fn the_volume_is_lost_and_the_database_kept() {
    let mut stage = DrillStage::new();
    for before in BEFORE {
        before.made(&stage);
        let lost = std::mem::replace(&mut stage.bench, Bench::sample());
        refuses(&stage, &stage.leader(), 65);
        stage.bench = lost;
        recovers(&stage);
        stage.reset();
    }
}

#[test]
fn the_database_is_lost_and_the_volume_kept() {
    let mut stage = DrillStage::new();
    Before::Finished.made(&stage);
    let dump = dump(&stage.postgres);
    stage.postgres.run("postgres", &format!("DROP DATABASE {DATABASE}"));
    refuses(&stage, &stage.leader(), 65);
    stage.postgres.run("postgres", &format!("CREATE DATABASE {DATABASE} OWNER {DATABASE}"));
    refuses(&stage, &stage.leader(), 65);
    restore(&stage.postgres, &dump);
    recovers(&stage);
    stage.reset();
    // An interrupted creation has nothing to lose: it is created again.
    cut_off(&stage, &Trace::new(), "administrator");
    stage.postgres.run("postgres", &format!("DROP DATABASE {DATABASE}"));
    recovers(&stage);
}

#[test]
fn another_site_name_on_the_same_database() {
    let mut stage = DrillStage::new();
    for before in BEFORE {
        before.made(&stage);
        refuses(&stage, &stage.leader().set("SITE_NAME", "other-name.test"), 65);
        recovers(&stage);
        stage.reset();
    }
}

/// An operator restores production's dump into a site whose creation was interrupted: kept, whatever our mark says.
#[test]
fn production_restored_into_an_unfinished_site() {
    let mut stage = DrillStage::new();
    Before::Finished.made(&stage);
    stage.session().run(
        "INSERT INTO \"tabUser\" (name) VALUES ('jane@example.com');
         SET ROLE frappe; CREATE TABLE public.\"tabInvoice\" AS SELECT n AS id FROM generate_series(1, 1000) n",
    );
    let production = dump(&stage.postgres);
    stage.reset();
    for (step, event) in [
        ("core_tables", "step.finished"),
        ("administrator", "step.finished"),
        ("scheduler_set", "step.finished"),
    ] {
        cut_off(&stage, &Trace::new(), step);
        let stranger = stage.session();
        restore(&stage.postgres, &production);
        // With the operator still connected or not: the site is complete, and is not cleared.
        stage.leader().run().exits(0).event(event);
        drop(stranger);
        let site = stage.session();
        let kept = "SELECT count(*) || ' ' || sum(id) FROM public.\"tabInvoice\"";
        assert_eq!(site.value(kept).as_deref(), Some("1000 500500"), "after {step}");
        assert!(site.is("EXISTS (SELECT FROM \"tabUser\" WHERE name = 'jane@example.com')"), "after {step}");
        drop(site);
        served(stage.leader()).ping_and_stop();
        stage.canaries.check(&stage).unwrap_or_else(|miss| panic!("{miss}"));
        assert!(stage.bench.sites().join(SITE).exists());
        stage.reset();
    }
}

fn client(postgres: &Postgres, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PGPASSWORD", PASSWORD).arg("-h").arg(postgres.socket_folder());
    command.args(["-p", &postgres.port().to_string(), "-U", SUPERUSER, "-d", DATABASE]);
    command.stderr(Stdio::null());
    command
}

/// Returns the output of `pg_dump --clean` for the site's database.
fn dump(postgres: &Postgres) -> Vec<u8> {
    let output = client(postgres, "pg_dump").args(["--clean", "--if-exists"]).output().expect("pg_dump runs");
    assert!(output.status.success(), "pg_dump");
    output.stdout
}

fn restore(postgres: &Postgres, dump: &[u8]) {
    let mut psql = client(postgres, "psql")
        .args(["-q", "-v", "ON_ERROR_STOP=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("psql runs");
    std::io::Write::write_all(&mut psql.stdin.take().expect("a pipe"), dump).expect("the dump");
    assert!(psql.wait().expect("psql ends").success(), "psql");
}
