//! Which backups a repository has, from its list of snapshots.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::id::BackupId;
use super::tags::{Part, Tags, Verdict, Why};

/// The age from which the parts of a backup without a manifest are leftovers: no backup takes that long.
const LEFTOVER_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The clocks of two machines may differ by this much.
pub const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(1);

/// A snapshot with its tags, independent of the program that keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The snapshot's id.
    pub snapshot: String,
    pub time: Timestamp,
    pub tags: Tags,
}

/// A backup that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub id: BackupId,
    pub site: String,
    pub installation: String,
    pub code: Option<String>,
    pub why: Option<Why>,
    pub size_bytes: Option<u64>,
    pub database_bytes: Option<u64>,
    /// The ids of its snapshots.
    pub manifest: String,
    pub database: Option<String>,
    pub files: Option<String>,
    /// The last verification.
    pub verified: Option<Verified>,
    /// The snapshots of all its reports.
    pub reports: Vec<String>,
}

/// A verification of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub at: Timestamp,
    pub verdict: Verdict,
}

/// The contents of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Sorted by time, the newest last.
    pub backups: Vec<Backup>,
    /// Parts of backups that were not finished, old enough that none is being taken.
    pub leftovers: Vec<Tagged>,
    /// Dumps from before migrations.
    pub dumps: Vec<Tagged>,
}

impl Backup {
    /// Every snapshot of it.
    pub fn snapshots(&self) -> impl Iterator<Item = &String> {
        // The manifest first: without it the backup does not count, however far its removal gets.
        [Some(&self.manifest), self.files.as_ref(), self.database.as_ref()]
            .into_iter()
            .flatten()
            .chain(&self.reports)
    }

    pub fn is_of(&self, site: &str, installation: &str) -> bool {
        self.site == site && self.installation == installation
    }

    /// True if a clock is wrong: this machine's, or the one of the machine that took it.
    pub fn is_of_the_future(&self, now: Timestamp) -> bool {
        self.id.time().duration_since(now) > CLOCK_TOLERANCE
    }

    pub fn has_passed(&self) -> bool {
        self.verified.as_ref().is_some_and(|verified| verified.verdict == Verdict::Passed)
    }
}

impl Contents {
    /// Sorts snapshots into backups and leftovers.
    pub fn of(snapshots: Vec<Tagged>, now: Timestamp) -> Self {
        let mut by_id: BTreeMap<BackupId, Vec<Tagged>> = BTreeMap::new();
        let mut contents = Self::default();
        for tagged in snapshots {
            match tagged.tags.part {
                Part::Migration => contents.dumps.push(tagged),
                _ => by_id.entry(tagged.tags.backup.clone()).or_default().push(tagged),
            }
        }
        for (id, parts) in by_id {
            match backup(&id, &parts) {
                Some(backup) => contents.backups.push(backup),
                None => {
                    let is_old = |part: &Tagged| now.duration_since(part.time) >= LEFTOVER_AFTER;
                    contents.leftovers.extend(parts.into_iter().filter(is_old));
                }
            }
        }
        contents.dumps.sort_by_key(|dump| dump.time);
        contents
    }

    /// The newest backup of a site.
    pub fn newest(&self, site: &str) -> Option<&Backup> {
        self.backups.iter().rev().find(|backup| backup.site == site)
    }

    pub fn find(&self, id: &BackupId) -> Option<&Backup> {
        self.backups.iter().find(|backup| backup.id == *id)
    }
}

fn backup(id: &BackupId, parts: &[Tagged]) -> Option<Backup> {
    let part = |part: Part| parts.iter().find(move |tagged| tagged.tags.part == part);
    let snapshot = |of: Part| part(of).map(|tagged| tagged.snapshot.clone());
    let manifest = part(Part::Manifest)?;
    let reports = || parts.iter().filter(|tagged| tagged.tags.part == Part::Report);
    let verified =
        reports().filter_map(|report| Some(Verified { at: report.time, verdict: report.tags.verdict? }));
    let Tags { site, installation, code, why, size_bytes, database_bytes, .. } = manifest.tags.clone();
    Some(Backup {
        id: id.clone(),
        site,
        installation,
        code,
        why,
        size_bytes,
        database_bytes,
        manifest: manifest.snapshot.clone(),
        database: snapshot(Part::Database),
        files: snapshot(Part::Files),
        verified: verified.max_by_key(|verified| verified.at),
        reports: reports().map(|report| report.snapshot.clone()).collect(),
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn tagged(id: &str, part: Part, time: &str, verdict: Option<Verdict>) -> Tagged {
        let id = BackupId::parse(id).unwrap();
        let tags = Tags { verdict, ..Tags::new(&id, part, "s", "i") };
        Tagged { snapshot: format!("{}-{id}-{time}", part.as_str()), time: time.parse().unwrap(), tags }
    }

    const DONE: &str = "20261128T000000Z-000001";
    const HALF: &str = "20261128T000000Z-000002";
    const RUNNING: &str = "20261130T000000Z-000003";

    #[test]
    fn a_backup_counts_with_its_manifest_and_a_leftover_is_old() {
        let early = "2026-11-28T00:00:00Z";
        let now = "2026-11-30T00:10:00Z".parse().unwrap();
        let snapshots = vec![
            tagged(DONE, Part::Database, early, None),
            tagged(DONE, Part::Files, early, None),
            tagged(DONE, Part::Manifest, early, None),
            tagged(DONE, Part::Report, "2026-11-29T00:00:00Z", Some(Verdict::Failed)),
            tagged(DONE, Part::Report, "2026-11-29T01:00:00Z", Some(Verdict::Passed)),
            tagged(HALF, Part::Database, early, None),
            tagged(HALF, Part::Files, early, None),
            tagged(RUNNING, Part::Database, "2026-11-30T00:00:00Z", None),
        ];
        let contents = Contents::of(snapshots, now);
        let [backup] = &contents.backups[..] else { panic!("{contents:?}") };
        assert!(backup.id.as_str() == DONE && backup.has_passed() && backup.reports.len() == 2);
        assert_eq!(backup.snapshots().count(), 5);
        assert!(backup.snapshots().next().unwrap().starts_with("manifest"));
        let leftovers: Vec<&str> = contents.leftovers.iter().map(|part| part.tags.backup.as_str()).collect();
        assert_eq!(leftovers, [HALF, HALF]);
        assert_eq!(contents.newest("s").map(|backup| backup.id.as_str()), Some(DONE));
        assert_eq!(contents.newest("t"), None);
        let at = |time: &str| time.parse().unwrap();
        assert!(backup.is_of_the_future(at("2026-11-27T22:59:00Z")));
        assert!(!backup.is_of_the_future(at("2026-11-27T23:00:00Z")));
    }
}
