//! What a backup costs beside `pg_dump` in a pipe to restic, and restic over the same files; our own memory; what a second
//! backup adds after a change of 1 %; and, in [`beside_backup`] and [`restore`], pages meanwhile and the way back.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::backup_site::{DATABASE, by_hand, change, empty, fill, ours, sizes};
use super::clock::ms_between;
use super::lab::{Lab, NEW_SITE, Site};
use super::report::{Row, Target};
use super::samples::Samples;
use super::support::wait::within;
use super::{beside_backup, restore};

/// Each round takes three backups; an even number, so that each side comes first as often.
const ROUNDS: usize = 4;
/// Times of one run with all its processes; not those of PostgreSQL.
struct Cost {
    wall_ms: f64,
    processor_ms: f64,
}

#[derive(Default)]
struct Found {
    ours: Vec<Cost>,
    theirs: Vec<Cost>,
    second: Vec<Cost>,
    stored_mb: Vec<f64>,
    added_mb: Vec<f64>,
}

pub fn measure(lab: &Lab) -> Vec<Row> {
    let site = lab.site();
    fill(lab, site);
    let peak_mb = peak_mb(lab, site);
    let mut found = Found::default();
    for round in 1..=ROUNDS {
        // Whoever comes second writes into a page cache that the first has filled, so they take turns in coming first.
        if round % 2 == 1 {
            first_by_hand(lab, site, &mut found);
        }
        ours_twice(lab, site, round, &mut found);
        if round % 2 == 0 {
            first_by_hand(lab, site, &mut found);
        }
    }
    let mut rows = rows(found, peak_mb);
    let folder = tempfile::tempdir().expect("a folder for a repository");
    let repository = folder.path().join("ours");
    rows.push(beside_backup::measure(lab, site, &repository));
    rows.push(restore::measure(lab, site, &repository));
    empty(lab, site);
    rows
}

fn first_by_hand(lab: &Lab, site: &Site, found: &mut Found) {
    let folder = tempfile::tempdir().expect("a folder for a repository");
    found.theirs.push(cost(lab, &mut restic_alone(lab, site, &folder.path().join("theirs"))));
}

fn ours_twice(lab: &Lab, site: &Site, round: usize, found: &mut Found) {
    let folder = tempfile::tempdir().expect("a folder for a repository");
    let repository = folder.path().join("ours");
    found.ours.push(cost(lab, &mut backup(lab, site, &repository)));
    let stored_mb = size_mb(&repository);
    change(lab, site, round);
    found.second.push(cost(lab, &mut backup(lab, site, &repository)));
    found.stored_mb.push(stored_mb);
    found.added_mb.push(size_mb(&repository) - stored_mb);
}

fn rows(found: Found, peak_mb: f64) -> Vec<Row> {
    let pair = |of: fn(&Cost) -> f64| {
        let samples = |name: &str, costs: &[Cost]| Samples::new(name, costs.iter().map(of).collect());
        vec![samples("ours", &found.ours), samples("pg_dump, restic", &found.theirs)]
    };
    let seconds = Samples::new("ours", found.second.iter().map(|cost| cost.wall_ms).collect());
    let firsts = Samples::new("the first", found.ours.iter().map(|cost| cost.wall_ms).collect());
    let bytes = vec![Samples::new("ours", found.added_mb), Samples::new("the first", found.stored_mb)];
    vec![
        Row::new("a first backup", "ms", pair(|cost| cost.wall_ms), Target::RatioAtMost(1.1)).noted(&sizes()),
        Row::new(
            "a first backup, processor time",
            "ms",
            pair(|cost| cost.processor_ms),
            Target::RatioAtMost(1.1),
        )
        .noted("of pg_dump, restic and us; without PostgreSQL"),
        Row::new(
            "a backup, our own memory",
            "MB",
            vec![Samples::new("ours", vec![peak_mb])],
            Target::AtMost(20.0),
        )
        .noted("the highest resident set (VmHWM), beside restic"),
        Row::new("a second backup after a change of 1 %, added", "MB", bytes, Target::RatioAtMost(0.1))
            .noted("growth of the repository"),
        Row::new("a second backup after a change of 1 %", "ms", vec![seconds, firsts], Target::None)
            .noted("the dump is read whole, and files only if they have changed"),
    ]
}

fn backup(lab: &Lab, site: &Site, repository: &Path) -> Command {
    ours(lab, site, &["backup"], repository)
}

fn restic_alone(lab: &Lab, site: &Site, repository: &Path) -> Command {
    let script = format!(
        "restic init; \
         pg_dump --no-owner --no-privileges {DATABASE} | restic backup --stdin --stdin-filename database.sql; \
         restic backup public/files private/files site_config.json"
    );
    by_hand(lab, site, &script, repository)
}

fn cost(lab: &Lab, command: &mut Command) -> Cost {
    let before_ms = children_ms();
    let mut started = lab.start(command);
    let ended_ns = started.end_ns_within(NEW_SITE);
    let wall_ms = ms_between(started.at_ns, ended_ns);
    Cost { wall_ms, processor_ms: children_ms() - before_ms }
}

/// The processor time of all children that have ended, and of theirs.
fn children_ms() -> f64 {
    let usage: Usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a usage");
    (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e3
}

/// A run that does not count: it fills the caches, and our highest resident set is read from the kernel meanwhile.
fn peak_mb(lab: &Lab, site: &Site) -> f64 {
    let folder = tempfile::tempdir().expect("a folder for a repository");
    let mut started = lab.start(&mut backup(lab, site, &folder.path().join("ours")));
    let status = format!("/proc/{}/status", started.pid());
    let mut peak_kib = 0.0_f64;
    within(NEW_SITE, || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak_kib = peak_kib.max(kib.unwrap_or_default());
        (!started.is_running()).then_some(())
    });
    started.end_ns_within(NEW_SITE);
    assert!(peak_kib > 0.0, "no resident set was read");
    peak_kib * 1024.0 / 1e6
}

fn size_mb(folder: &Path) -> f64 {
    fn bytes(folder: &Path) -> u64 {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        entries
            .map(|entry| match entry.metadata().expect("an entry") {
                of if of.is_dir() => bytes(&entry.path()),
                of => of.len(),
            })
            .sum()
    }
    bytes(folder) as f64 / 1e6
}
