//! Records which bundles were in use, and since when. The collection of old bundles depends on it.
//!
//! The file is `sites/.cauldron/apps/history.json`, with an entry for each time that the leader's set changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::bench::atomic_file::write_atomic;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// The number of last entries whose bundles are never collected.
const ENTRIES_RETAINED: usize = 5;
/// The time for which replaced bundles are retained.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 3_600);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Seconds since 1970.
    at: u64,
    /// The digest of the wanted list.
    digest: String,
    /// Relative to the folder of the bundles: `<app>/<key>`.
    bundles: Vec<PathBuf>,
}

impl History {
    fn path(cauldron: &Path) -> PathBuf {
        cauldron.join("apps/history.json")
    }

    /// Reads the history; empty if the file is absent.
    ///
    /// # Errors
    /// 78 if the file cannot be parsed: then nothing may be collected.
    pub fn read(cauldron: &Path) -> Result<Self> {
        let path = Self::path(cauldron);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Fault::file(format!("cannot read {}", path.display()), &error)),
        };
        serde_json::from_slice(&text).map_err(|error| {
            let hint = "delete the file; a new one is created";
            Fault::configuration(format!("{}: {error}", path.display()), hint)
                .named(Refusal::AppRecordsUnreadable)
        })
    }

    /// Records a set if it differs from the last one, and drops entries that no longer retain any bundle.
    pub fn record(
        &mut self,
        cauldron: &Path,
        digest: &str,
        bundles: Vec<PathBuf>,
        now: SystemTime,
    ) -> Result<()> {
        if self.entries.last().is_some_and(|last| last.digest == digest && last.bundles == bundles) {
            return Ok(());
        }
        self.entries.push(Entry { at: seconds(now), digest: digest.into(), bundles });
        let mut retained = self.retained_by_entry(now).into_iter();
        self.entries.retain(|_| retained.next().is_some_and(|bundles| !bundles.is_empty()));
        let path = Self::path(cauldron);
        let text = serde_json::to_vec_pretty(self).expect("a history is JSON");
        write_atomic(&path, &text, 0o644)
            .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))
    }

    /// The digest of the wanted list that was prepared last.
    pub fn last_digest(&self) -> Option<&str> {
        self.entries.last().map(|entry| entry.digest.as_str())
    }

    /// The bundles that stay: those of the last entries, those replaced within [`RETENTION`], and the newest of every
    /// app, which may still be installed although it is no longer wanted.
    pub fn retained(&self, now: SystemTime) -> Vec<PathBuf> {
        self.retained_by_entry(now).concat()
    }

    fn retained_by_entry(&self, now: SystemTime) -> Vec<Vec<PathBuf>> {
        let replaced_at = |index: usize| self.entries.get(index + 1).map(|next| next.at);
        let limit = seconds(now).saturating_sub(RETENTION.as_secs());
        let last = self.entries.len().saturating_sub(ENTRIES_RETAINED);
        let mut apps = Vec::new();
        let mut retained: Vec<Vec<PathBuf>> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate().rev() {
            let in_time = index >= last || replaced_at(index).is_none_or(|at| at >= limit);
            let is_newest = |bundle: &&PathBuf| !apps.contains(&bundle.parent());
            retained
                .push(entry.bundles.iter().filter(|bundle| in_time || is_newest(bundle)).cloned().collect());
            apps.extend(entry.bundles.iter().map(|bundle| bundle.parent()));
        }
        retained.reverse();
        retained
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    #[test]
    fn the_last_five_entries_recent_ones_and_the_newest_bundle_of_each_app_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("apps")).unwrap();
        let mut history = History::read(folder.path()).unwrap();
        let begin = UNIX_EPOCH + DAY * 1_000;
        let mut record = |day: u32, bundles: &[&str]| {
            let bundles = bundles.iter().map(PathBuf::from).collect();
            history.record(folder.path(), "d", bundles, begin + DAY * day).unwrap();
        };
        record(0, &["a/0", "old/0"]);
        record(1, &["a/1"]);
        record(1, &["a/1"]);
        for day in 2..8 {
            record(day, &[&format!("a/{day}")]);
        }
        let history = History::read(folder.path()).unwrap();
        assert_eq!(history.entries.len(), 8, "the same set twice is one entry");
        let retained = |day: u32| {
            let mut retained = history.retained(begin + DAY * day);
            retained.sort();
            retained.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(retained(8), "a/0 a/1 a/2 a/3 a/4 a/5 a/6 a/7 old/0");
        // a/1 was replaced on day 2.
        assert_eq!(retained(32), "a/1 a/2 a/3 a/4 a/5 a/6 a/7 old/0");
        assert_eq!(retained(1_000), "a/3 a/4 a/5 a/6 a/7 old/0");
        let mut history = history;
        history.record(folder.path(), "e", vec!["a/8".into()], begin + DAY * 1_000).unwrap();
        assert_eq!(history.entries.len(), 6, "entries that retain nothing are dropped: a/1 to a/3");
    }
}
