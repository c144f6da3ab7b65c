//! tests/contract/frappe-15.json and frappe-16.json: the facts observed on a real bench, with its version and commit.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::Part;
use crate::facts::Facts;
use crate::support::bench::Bench;
use crate::support::generation::Generation;

/// The prefix of facts that are recorded and not compared: the sample bench has fewer tables than a real one.
pub const SEEN: &str = "seen:";

#[derive(Default, Serialize, Deserialize)]
pub struct Record {
    pub version: String,
    pub commit: String,
    /// The day of the last observation.
    pub recorded: String,
    pub facts: BTreeMap<String, Facts>,
    /// The measured numbers of that run, for information.
    pub seen: BTreeMap<String, Facts>,
}

pub fn read(generation: Generation) -> Option<Record> {
    let text = fs::read_to_string(path(generation)).ok()?;
    Some(serde_json::from_str(&text).expect("the record is JSON"))
}

/// True if a real bench of this generation was observed in that part.
pub fn has(generation: Generation, part: &str) -> bool {
    read(generation).is_some_and(|record| record.facts.contains_key(part))
}

/// Observes a real bench and writes that part of the record.
pub fn update((name, observe): Part, bench: Bench) {
    let (version, commit, generation) = (version(&bench), commit(&bench), bench.generation());
    let (facts, seen) = observed(observe, bench);
    // Tests run in parallel, each with one part of the file.
    let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("record.lock")).expect("a lock file");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("the record's lock");
    let mut record = read(generation).unwrap_or_default();
    (record.version, record.commit, record.recorded) = (version, commit, today());
    record.facts.insert(name.to_owned(), facts);
    record.seen.insert(name.to_owned(), seen);
    let text = serde_json::to_string_pretty(&record).expect("JSON") + "\n";
    fs::write(path(generation), text).expect("the record is written");
}

/// Observes the sample bench and fails if it differs from the record.
pub fn compare((name, observe): Part, bench: Bench) {
    let record = read(bench.generation()).expect("tests/contract/frappe-….json");
    let (facts, _) = observed(observe, bench);
    let differences = record.facts[name].differences(&facts);
    assert!(
        differences.is_empty(),
        "the sample bench differs from Frappe {} (left: real):\n  {}",
        record.version,
        differences.join("\n  ")
    );
}

fn observed(observe: fn(Bench, &mut Facts), bench: Bench) -> (Facts, Facts) {
    let mut all = Facts::default();
    observe(bench, &mut all);
    let (seen, facts) = all.0.into_iter().partition(|(name, _)| name.starts_with(SEEN));
    (Facts(facts), Facts(seen))
}

fn path(generation: Generation) -> PathBuf {
    let file = match generation {
        Generation::Frappe15 => "frappe-15.json",
        Generation::Frappe16 => "frappe-16.json",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract").join(file)
}

fn today() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).output().expect("date runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn version(bench: &Bench) -> String {
    let output =
        bench.program("env/bin/python").args(["-c", "import frappe; print(frappe.__version__)"]).output();
    String::from_utf8_lossy(&output.expect("python runs").stdout).trim().to_owned()
}

fn commit(bench: &Bench) -> String {
    let apps = bench.path().join("apps/frappe");
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "-C"])
        .arg(apps)
        .args(["rev-parse", "HEAD"])
        .output()
        .expect("git runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
