//! What a backup costs beside `pg_dump` in a pipe to restic, and restic over the same files; our own memory; and what a
//! second backup adds after a change of 1 %.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::clock::ms_between;
use super::lab::{Lab, NEW_SITE, SITE_NAME, Site};
use super::report::{Row, Target};
use super::samples::Samples;
use super::support::postgres::{PASSWORD, SUPERUSER};
use super::support::wait::within;

/// Each round takes three backups.
const ROUNDS: usize = 3;
const FILES: usize = 100;
const FILE_BYTES: usize = 3_000_000;
/// With its digits about 200 MB in the dump.
const TABLE_ROWS: usize = 1_400_000;
const REPOSITORY_PASSWORD: &str = "of-the-bench";

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
        let folder = tempfile::tempdir().expect("a folder for repositories");
        let (own, other) = (folder.path().join("ours"), folder.path().join("theirs"));
        found.theirs.push(cost(lab, &mut restic_alone(lab, site, &other)));
        found.ours.push(cost(lab, &mut backup(lab, site, &own)));
        let stored_mb = size_mb(&own);
        change(lab, site, round);
        found.second.push(cost(lab, &mut backup(lab, site, &own)));
        found.stored_mb.push(stored_mb);
        found.added_mb.push(size_mb(&own) - stored_mb);
    }
    rows(found, peak_mb)
}

fn rows(found: Found, peak_mb: f64) -> Vec<Row> {
    let sizes = format!(
        "{} MB of files that cannot be compressed, a table of {TABLE_ROWS} rows (about 200 MB in the dump)",
        FILES * FILE_BYTES / 1_000_000
    );
    let pair = |of: fn(&Cost) -> f64| {
        let samples = |name: &str, costs: &[Cost]| Samples::new(name, costs.iter().map(of).collect());
        vec![samples("ours", &found.ours), samples("pg_dump, restic", &found.theirs)]
    };
    let seconds = Samples::new("ours", found.second.iter().map(|cost| cost.wall_ms).collect());
    let firsts = Samples::new("the first", found.ours.iter().map(|cost| cost.wall_ms).collect());
    let bytes = vec![Samples::new("ours", found.added_mb), Samples::new("the first", found.stored_mb)];
    vec![
        Row::new("a first backup", "ms", pair(|cost| cost.wall_ms), Target::RatioAtMost(1.1)).noted(&sizes),
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
    let mut command = lab.on_site(site, "backup");
    command
        .env("CAULDRON_BACKUP_TO", repository)
        .env("CAULDRON_BACKUP_PASSWORD", REPOSITORY_PASSWORD)
        .env("HOME", repository.parent().expect("a folder"));
    command
}

/// The same programs by hand, with the same number of cores for restic.
fn restic_alone(lab: &Lab, site: &Site, repository: &Path) -> Command {
    let postgres = &lab.servers().postgres;
    let script = format!(
        "set -e; restic init; \
         pg_dump -h {} -p {} -U {SUPERUSER} --no-owner --no-privileges bench_local | restic backup --stdin --stdin-filename database.sql; \
         restic backup {SITE_NAME}/public/files {SITE_NAME}/private/files {SITE_NAME}/site_config.json",
        postgres.host(),
        postgres.port()
    );
    let mut command = Command::new("nice");
    command
        .args(["sh", "-c", &script])
        .current_dir(site.bench.sites())
        .env("PGPASSWORD", PASSWORD)
        .env("RESTIC_REPOSITORY", repository)
        .env("RESTIC_PASSWORD", REPOSITORY_PASSWORD)
        .env("GOMAXPROCS", "2")
        .env("HOME", repository.parent().expect("a folder"));
    command
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

/// Files that no program can compress, and a table.
fn fill(lab: &Lab, site: &Site) {
    for number in 0..FILES {
        write_file(site, number, number as u64);
    }
    sql(
        lab,
        &format!(
            "DROP TABLE IF EXISTS bench_rows; CREATE TABLE bench_rows AS SELECT i, md5(i::text) || md5((i + 1)::text) || \
             md5((i + 2)::text) || md5((i + 3)::text) AS text FROM generate_series(1, {TABLE_ROWS}) AS i; \
             ALTER TABLE bench_rows ADD PRIMARY KEY (i)"
        ),
    );
}

/// 1 % of the files, and 1 % of the rows in one place, as new rows are.
fn change(lab: &Lab, site: &Site, round: usize) {
    for number in 0..FILES / 100 {
        write_file(site, number, (round * 1_000_000 + number) as u64);
    }
    let last = TABLE_ROWS / 100;
    sql(lab, &format!("UPDATE bench_rows SET text = md5((i + {round})::text) WHERE i <= {last}"));
}

fn write_file(site: &Site, number: usize, seed: u64) {
    // splitmix64.
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    });
    let bytes: Vec<u8> = words.take(FILE_BYTES / 8).flat_map(u64::to_le_bytes).collect();
    let path = site.bench.sites().join(format!("{SITE_NAME}/public/files/bench-{number}.bin"));
    fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// As the site's role, which a backup is taken as.
fn sql(lab: &Lab, statements: &str) {
    let postgres = &lab.servers().postgres;
    let port = postgres.port().to_string();
    let mut psql = Command::new("psql");
    psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-h", postgres.host(), "-p", &port, "-U", SUPERUSER])
        .args(["-d", "bench_local", "-c", &format!("SET ROLE bench_local; {statements}")])
        .env("PGPASSWORD", PASSWORD);
    lab.start(&mut psql).end_ns_within(NEW_SITE);
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
