//! A site with a large table and large files, and the commands that back it up and restore it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::lab::{Lab, NEW_SITE, SITE_NAME, Site};
use super::support::postgres::{PASSWORD, SUPERUSER};

const FILES: usize = 500;
const FILE_BYTES: usize = 10_000_000;
/// With its digits about 1 GB in the dump.
const TABLE_ROWS: usize = 7_000_000;
const REPOSITORY_PASSWORD: &str = "of-the-bench";
/// The site's database.
pub const DATABASE: &str = "bench_local";

/// What the site holds, in words.
pub fn sizes() -> String {
    format!(
        "{} GB of files that cannot be compressed, a table of {TABLE_ROWS} rows (about 1 GB in the dump)",
        FILES * FILE_BYTES / 1_000_000_000
    )
}

/// Files that no program can compress, and a table.
pub fn fill(lab: &Lab, site: &Site) {
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

/// Removes what [`fill`] has made.
pub fn empty(lab: &Lab, site: &Site) {
    for number in 0..FILES {
        let _ = fs::remove_file(path(site, number));
    }
    sql(lab, "DROP TABLE IF EXISTS bench_rows");
}

/// 1 % of the files, and 1 % of the rows in one place, as new rows are.
pub fn change(lab: &Lab, site: &Site, round: usize) {
    for number in 0..FILES / 100 {
        write_file(site, number, (round * 1_000_000 + number) as u64);
    }
    let last = TABLE_ROWS / 100;
    sql(lab, &format!("UPDATE bench_rows SET text = md5((i + {round})::text) WHERE i <= {last}"));
}

/// One of our commands, with the repository.
pub fn ours(lab: &Lab, site: &Site, words: &[&str], repository: &Path) -> Command {
    let mut command = lab.on_site(site, words[0]);
    command.args(&words[1..]).envs(of_repository(repository)).env("CAULDRON_BACKUP_TO", repository);
    command
}

/// The same by hand, in the site's folder: with the same number of cores and the same nice value for restic as ours has.
pub fn by_hand(lab: &Lab, site: &Site, script: &str, repository: &Path) -> Command {
    let postgres = &lab.servers().postgres;
    let mut command = Command::new("nice");
    command
        .args(["-n", "10", "sh", "-c", &format!("set -e; {script}")])
        .current_dir(site.bench.sites().join(SITE_NAME))
        .envs(of_repository(repository))
        .env("PGHOST", postgres.host())
        .env("PGPORT", postgres.port().to_string())
        .env("PGUSER", SUPERUSER)
        .env("PGPASSWORD", PASSWORD)
        .env("RESTIC_REPOSITORY", repository)
        .env("RESTIC_PASSWORD", REPOSITORY_PASSWORD)
        .env("GOMAXPROCS", "2");
    command
}

fn of_repository(repository: &Path) -> [(&'static str, std::ffi::OsString); 2] {
    let home = repository.parent().expect("a folder");
    [("CAULDRON_BACKUP_PASSWORD", REPOSITORY_PASSWORD.into()), ("HOME", home.into())]
}

fn path(site: &Site, number: usize) -> std::path::PathBuf {
    site.bench.sites().join(format!("{SITE_NAME}/public/files/bench-{number}.bin"))
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
    let path = path(site, number);
    fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// As the site's role, which a backup is taken as.
fn sql(lab: &Lab, statements: &str) {
    let postgres = &lab.servers().postgres;
    let port = postgres.port().to_string();
    let mut psql = Command::new("psql");
    psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-h", postgres.host(), "-p", &port, "-U", SUPERUSER])
        .args(["-d", DATABASE, "-c", &format!("SET ROLE {DATABASE}; {statements}")])
        .env("PGPASSWORD", PASSWORD);
    lab.start(&mut psql).end_ns_within(NEW_SITE);
}
