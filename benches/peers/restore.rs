//! What a restore over a site costs beside the same snapshots unpacked by restic and loaded by psql.

use std::path::Path;
use std::process::Command;

use super::backup_site::{by_hand, ours};
use super::clock::ms_between;
use super::lab::{Lab, NEW_SITE, Site};
use super::report::{Row, Target};
use super::samples::Samples;

const ROUNDS: usize = 4;

/// Restores the newest backup of the repository.
pub fn measure(lab: &Lab, site: &Site, repository: &Path) -> Row {
    let id = id_of_site(lab, site, repository);
    let folder = tempfile::tempdir().expect("a folder for files");
    // The scripts of our backups are plain SQL, which pg_restore does not read.
    let script = format!(
        "dropdb --if-exists by_hand; createdb by_hand; rm -rf {files}; \
         restic dump --tag part=database latest /database.sql | psql -q -v ON_ERROR_STOP=1 -d by_hand > /dev/null; \
         restic restore --tag part=files latest --target {files}",
        files = folder.path().join("files").display()
    );
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let words = ["restore", "newest", "--no-safety-backup", &id];
        let mut both = [
            (&mut own, ours(lab, site, &words, repository)),
            (&mut other, by_hand(lab, site, &script, repository)),
        ];
        if round % 2 == 1 {
            both.reverse();
        }
        for (samples, mut command) in both {
            // What the last one wrote reaches the disk before the next one begins.
            nix::unistd::sync();
            samples.push(wall_ms(lab, &mut command));
        }
    }
    lab.start(&mut by_hand(lab, site, "dropdb by_hand", repository)).end_ns_within(NEW_SITE);
    let samples = vec![Samples::new("ours", own), Samples::new("restic, psql", other)];
    Row::new("a restore over a site", "ms", samples, Target::RatioAtMost(1.2))
        .noted("of that backup; ours compares every table and file, and syncs them to the disk")
}

/// The id that a refusal prints.
fn id_of_site(lab: &Lab, site: &Site, repository: &Path) -> String {
    let mut refused = ours(lab, site, &["restore", "newest", "--no-safety-backup", "unknown"], repository);
    let output = refused.output().expect("a refusal");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let (_, rest) = text.rsplit_once("--no-safety-backup ").unwrap_or_else(|| panic!("no id in: {text}"));
    rest.split(|c: char| !c.is_alphanumeric() && c != '-').next().expect("an id").to_owned()
}

fn wall_ms(lab: &Lab, command: &mut Command) -> f64 {
    let mut started = lab.start(command);
    let ended_ns = started.end_ns_within(NEW_SITE);
    ms_between(started.at_ns, ended_ns)
}
