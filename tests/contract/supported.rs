//! The table of supported versions (docs/supported.md, README.md), compared with the records of real benches and with
//! the sample bench.

use std::fs;
use std::path::Path;

use crate::record;
use crate::support::generation::Generation;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file")
}

/// The row of a table whose first cell is this.
fn row(page: &str, first: &str) -> String {
    let row = page.lines().find(|line| line.starts_with(&format!("| {first} |")));
    row.unwrap_or_else(|| panic!("no row for {first}")).to_owned()
}

/// The version of a package that the sample bench pins.
fn pinned(requirements: &str, package: &str) -> String {
    let text = text(&format!("tests/sample-bench/{requirements}"));
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{package}==")));
    line.expect("a pinned version").to_owned()
}

#[test]
fn the_table_says_what_was_run_and_what_is_simulated() {
    let (page, readme) = (text("docs/supported.md"), text("README.md"));
    for (generation, major) in [(Generation::Frappe15, "15"), (Generation::Frappe16, "16")] {
        let row = row(&page, major);
        let simulated = generation.version();
        assert!(row.contains(&format!("simulated: {simulated}")) && readme.contains(simulated), "{row}");
        match record::read(generation) {
            Some(record) => {
                let commit = &record.commit[..12];
                let run = format!("run: {} (commit {commit}, recorded {})", record.version, record.recorded);
                assert!(row.contains(&run) && readme.contains(&record.version), "{row}\nlacks {run}");
            }
            None => assert!(!row.contains("recorded"), "{row}: there is no record"),
        }
    }
}

#[test]
fn the_table_names_the_packages_of_both_generations() {
    let (page, readme) = (row(&text("docs/supported.md"), "RQ and redis-py"), text("README.md"));
    for requirements in ["requirements.txt", "requirements-16.txt"] {
        let (rq, redis) = (pinned(requirements, "rq"), pinned(requirements, "redis"));
        assert!(page.contains(&format!("{rq} with {redis}")), "{page}: RQ {rq}");
        assert!(readme.contains(&format!("{rq} and {redis}")), "RQ {rq} in README.md");
    }
}
