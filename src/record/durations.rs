//! How long each step of a start took on this site when it last ended well: `durations_ms.json` on the volume.
//!
//! `plan` shows them. They are on the volume and not in the database, because most steps belong to the creation of the
//! site, before which no record in the database exists. Only the leader writes the file, under the lock.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bench::Bench;
use crate::bench::atomic_file::write_atomic;

/// The duration of each step, in milliseconds, by the step's name in the log (`new-site`, `install-app shop`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations(BTreeMap<String, u64>);

impl Durations {
    /// Reads the file. One that is absent or unreadable counts as empty: the durations are only an estimate.
    pub fn read(bench: &Bench, site: &str) -> Self {
        let text = fs::read(path(bench, site)).unwrap_or_default();
        Self(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// The duration of a step in milliseconds; None if it never ended well here.
    pub fn ms(&self, step: &str) -> Option<u64> {
        self.0.get(step).copied()
    }
}

/// Records the duration of a step that ended well. A failure is only logged.
pub fn record(bench: &Bench, site: &str, step: &str, took: Duration) {
    let mut durations = Durations::read(bench, site);
    durations.0.insert(step.to_string(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    if let Err(error) = write(&path(bench, site), &durations) {
        tracing::debug!(event = "record.duration_not_written", step, %error, "cannot record the duration of a step");
    }
}

fn write(path: &Path, durations: &Durations) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    write_atomic(path, &serde_json::to_vec_pretty(&durations.0).expect("durations are JSON"), 0o644)
}

fn path(bench: &Bench, site: &str) -> PathBuf {
    bench.cauldron_site(site).join("durations_ms.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_duration_of_each_step_counts() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(folder.path());
        assert_eq!(Durations::read(&bench, "s"), Durations::default());
        record(&bench, "s", "new-site", Duration::from_millis(900));
        record(&bench, "s", "migrate", Duration::from_millis(20));
        record(&bench, "s", "new-site", Duration::from_millis(1_200));
        let durations = Durations::read(&bench, "s");
        assert_eq!((durations.ms("new-site"), durations.ms("migrate")), (Some(1_200), Some(20)));
        assert_eq!((durations.ms("pg_dump"), Durations::read(&bench, "other").ms("migrate")), (None, None));
    }

    #[test]
    fn an_unreadable_file_counts_as_empty_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(folder.path());
        record(&bench, "s", "migrate", Duration::from_millis(20));
        fs::write(path(&bench, "s"), "{\"migrate\": 2").unwrap();
        assert_eq!(Durations::read(&bench, "s"), Durations::default());
        record(&bench, "s", "migrate", Duration::from_millis(30));
        assert_eq!(Durations::read(&bench, "s").ms("migrate"), Some(30));
    }
}
