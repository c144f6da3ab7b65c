//! No secret is readable by others: not in any argv or environment while a site is created, not in a log, in our
//! record, or in a file that is not meant to hold it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::stage::{self, SITE, held_at};
use crate::support::barrier::Barrier;
use crate::support::bench::Bench;
use crate::support::postgres::{PASSWORD, SUPERUSER};
use crate::support::redis::{self, Redis};
use crate::support::running::Running;
use crate::support::stage::Stage;
use crate::support::tree::with_descendants;
use crate::support::{binary::LONG, snapshot};

const SITE_CANARY: &str = "canarySITE4711";
const ADMIN_CANARY: &str = "canaryADMIN4712";
const ROOT_CANARY: &str = "canaryROOT4713";
const REDIS_CANARY: &str = "canaryREDIS4714";
const CANARIES: [&str; 4] = [SITE_CANARY, ADMIN_CANARY, ROOT_CANARY, REDIS_CANARY];
/// Steps of new-site at which its processes are inspected; psql runs between the first two.
const STEPS: &str = "folders,site_config,core_tables,doctype:User,administrator_password,scheduler_set";

/// Returns which canaries are in the argv or environment of which process of a process tree.
fn exposed(root: u32) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for pid in with_descendants(root) {
        for part in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{pid}/{part}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            for canary in CANARIES.iter().filter(|canary| text.contains(**canary)) {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                found.insert(format!("{canary} in {part} of {}", name.trim()));
            }
        }
    }
    found
}

/// Returns the places on the bench that hold a canary, as docs/secrets.md writes them, and asserts that the page has them.
fn places(bench: &Bench, canaries: &[&str]) -> BTreeSet<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/secrets.md")).expect("a page");
    let table = page.split("## Where a secret stands").nth(1).expect("the heading");
    let table = table.split("\n## ").next().expect("its text");
    let bench_path = format!("{}/", bench.path().display());
    let found = holders(bench.path(), canaries).into_iter().map(|path| {
        let place = path.trim_start_matches(&bench_path).replace(SITE, "<site>");
        assert!(table.contains(&format!("\n| `{place}` |")), "docs/secrets.md does not name {place}");
        place
    });
    found.collect()
}

/// Returns the files below `folder` that hold a canary.
fn holders(folder: &Path, canaries: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(holders(&path, canaries));
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            if canaries.iter().any(|canary| text.contains(canary)) {
                found.insert(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn no_secret_is_exposed() {
    let redis = Redis::start_with(redis::Options::default().password(REDIS_CANARY));
    let stage = Stage { redis, ..stage::empty() };
    stage.postgres.run("postgres", &format!("CREATE ROLE root SUPERUSER LOGIN PASSWORD '{ROOT_CANARY}'"));
    let barrier = Barrier::at(STEPS);
    let leader = stage
        .leader()
        .set("DB_USER", "root")
        .set("DB_PASSWORD", ROOT_CANARY)
        .set("ADMIN_PASSWORD", ADMIN_CANARY)
        .set("SITE_DB_PASSWORD", SITE_CANARY)
        .set("CAULDRON_LOG_LEVEL", "trace");
    let mut pod = held_at(leader, &barrier).spawn();
    let mut seen = BTreeSet::new();
    for _ in STEPS.split(',') {
        let held = barrier.wait(LONG);
        seen.extend(exposed(pod.pid()));
        // Also inspects the processes that run on the way to the next step.
        held.release();
        seen.extend(exposed(pod.pid()));
    }
    while pod.exit().is_none() {
        seen.extend(exposed(pod.pid()));
    }
    assert_eq!(seen, BTreeSet::new());
    let runtime = pod.folder().join("run");
    assert_eq!(holders(&runtime, &CANARIES), BTreeSet::new(), "the password file is deleted after its step");
    let ended = pod.end().exits(0);
    for canary in CANARIES {
        assert!(!ended.to_string().contains(canary), "{canary} in the log");
    }
    for (canary, place) in [
        (SITE_CANARY, Some("sites/<site>/site_config.json")),
        (REDIS_CANARY, Some("sites/common_site_config.json")),
        (ADMIN_CANARY, None),
        (ROOT_CANARY, None),
    ] {
        let expected = place.into_iter().map(String::from).collect::<BTreeSet<_>>();
        assert_eq!(places(&stage.bench, &[canary]), expected, "{canary}");
    }
    let cluster = snapshot::cluster(&stage.postgres);
    assert!(CANARIES.iter().all(|canary| !cluster.contains(canary)), "a secret is in the database");
    let log = stage.postgres.log();
    assert!(CANARIES.iter().all(|canary| !log.contains(canary)), "a secret is in the server's log");
}

#[test]
fn generated_secrets_stand_where_the_page_says() {
    let stage = stage::empty();
    let ended = stage.leader().set("CAULDRON_LOG_LEVEL", "trace").run().exits(0);
    let config = stage.site_config();
    let site_config = "sites/<site>/site_config.json".to_owned();
    for (key, other) in
        [("db_password", Some("sites/.cauldron/<site>/db_password")), ("encryption_key", None)]
    {
        let secret = config[key].as_str().expect(key);
        let expected = other.map(String::from).into_iter().chain([site_config.clone()]).collect();
        assert_eq!(places(&stage.bench, &[secret]), expected, "{key}");
        assert!(!ended.to_string().contains(secret), "{key} is in the log");
    }
}

/// A failing step prints its arguments; the log and our record do not repeat the secrets.
#[test]
fn a_failing_step_does_not_expose_secrets() {
    let stage = stage::empty();
    let code = "import sys\nraise SystemExit('failed with ' + ' '.join(sys.argv))\n";
    let package = stage.bench.path().join("apps/frappe/frappe/utils/bench_helper.py");
    fs::write(package, code).expect("a bench_helper that fails");
    let leader = stage.leader().set("ADMIN_PASSWORD", ADMIN_CANARY).set("SITE_DB_PASSWORD", SITE_CANARY);
    let ended = leader.run().exits(75).says("failed with");
    let text = format!("{ended}{:?}", stage.state("last_error"));
    assert!(text.contains("***"), "{text}");
    assert!(CANARIES.iter().all(|canary| !text.contains(canary)), "{text}");
}

/// The control: the same scan of Frappe's own new-site finds the secrets.
#[test]
fn the_scan_finds_secrets_that_frappe_exposes() {
    let stage = stage::empty();
    stage.bench.connect(&stage.postgres, &stage.redis);
    let mut options = Bench::new_site_options(SITE, "frappe");
    options.extend(["--db-password", SITE_CANARY, "--admin-password", ADMIN_CANARY]);
    options.extend(["--db-root-username", SUPERUSER, "--db-root-password", PASSWORD]);
    let barrier = Barrier::at("folders,core_tables");
    let mut new_site = Running::spawn(stage.bench.frappe(&options).envs(barrier.environment()));
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        let held = barrier.wait(LONG);
        seen.extend(exposed(new_site.pid()));
        held.release();
        seen.extend(exposed(new_site.pid()));
    }
    assert_eq!(new_site.exit_within(LONG), Some(0), "{}", new_site.log());
    for canary in [SITE_CANARY, ADMIN_CANARY] {
        assert!(seen.iter().any(|found| found.starts_with(canary)), "{canary} is not in {seen:?}");
    }
}
