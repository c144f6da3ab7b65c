//! Snapshots, as text, of everything that a refusal must not change: the bench's files and the whole cluster.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::bench::Bench;
use super::postgres::{PASSWORD, Postgres, SUPERUSER};

/// All paths of sites/ with kind, mode, owner, time of change and content.
pub fn files(bench: &Bench) -> String {
    let mut lines = Vec::new();
    collect(&bench.sites(), &mut lines);
    lines.sort();
    lines.join("\n")
}

fn collect(path: &Path, lines: &mut Vec<String>) {
    let metadata = fs::symlink_metadata(path).expect("a file to look at");
    let head = format!("{} {:o} {}:{}", path.display(), metadata.mode(), metadata.uid(), metadata.gid());
    if metadata.is_dir() {
        lines.push(head);
        for entry in fs::read_dir(path).expect("a folder") {
            collect(&entry.expect("a folder").path(), lines);
        }
    } else if metadata.is_symlink() {
        lines.push(format!("{head} -> {}", fs::read_link(path).expect("a link").display()));
    } else {
        let changed = (metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
        let content = fs::read(path).expect("a file");
        lines.push(format!("{head} {changed:?} {}", String::from_utf8_lossy(&content)));
    }
}

/// The roles with their password verifiers, databases, owners, grants, and all rows.
pub fn cluster(postgres: &Postgres) -> String {
    let output = Command::new("pg_dumpall")
        .env("PGPASSWORD", PASSWORD)
        .args(["-h", &postgres.socket_folder().display().to_string(), "-p", &postgres.port().to_string()])
        .args(["-U", SUPERUSER, "--no-sync"])
        .output()
        .expect("pg_dumpall runs");
    assert!(output.status.success(), "pg_dumpall: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Every dump has a new key for psql.
    text.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
}

/// The cluster without our own record, which contains the last leader.
pub fn cluster_without_state(postgres: &Postgres) -> String {
    let mut inside = false;
    cluster(postgres)
        .lines()
        .filter(|line| {
            inside = line.starts_with("COPY public.__cauldron_state ") || (inside && *line != "\\.");
            !inside
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Asserts that two snapshots are equal; a failure shows the first difference.
#[track_caller]
pub fn same(before: &str, after: &str) {
    if before == after {
        return;
    }
    let (mut old, mut new) = (before.lines(), after.lines());
    loop {
        match (old.next(), new.next()) {
            (a, b) if a == b => assert!(a.is_some(), "they differ in line ends"),
            (a, b) => panic!("changed:\n  before: {a:?}\n  after:  {b:?}"),
        }
    }
}
