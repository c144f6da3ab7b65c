//! Which backups are kept: the last of each of so many hours, days, weeks, months and years, the newest, and the last one
//! that was verified.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::id::BackupId;
use super::list::Backup;
use crate::config::backup::keep::Keep;

/// A backup that is kept, with the reasons, or one that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    pub backup: &'a Backup,
    /// Empty if it goes.
    pub kept_for: Vec<&'static str>,
}

/// The name of the period that contains this time.
type PeriodOf = fn(Timestamp) -> String;

/// Decides about the backups of one site, in the order of the list: sorted by time, the newest last. Periods are in UTC.
pub fn decide<'a>(backups: &[&'a Backup], keep: &Keep) -> Vec<Decision<'a>> {
    let mut reasons: BTreeMap<&BackupId, Vec<&'static str>> = BTreeMap::new();
    let newest_first = || backups.iter().rev().copied();
    if let Some(newest) = newest_first().next() {
        reasons.entry(&newest.id).or_default().push("newest");
    }
    // The last one that is known to come back is never removed.
    if let Some(verified) = newest_first().find(|backup| backup.has_passed()) {
        reasons.entry(&verified.id).or_default().push("last verified");
    }
    let periods: [(&'static str, u32, PeriodOf); 5] = [
        ("hourly", keep.hours, |time| time.strftime("%Y-%m-%dT%H").to_string()),
        ("daily", keep.days, |time| time.strftime("%Y-%m-%d").to_string()),
        ("weekly", keep.weeks, week),
        ("monthly", keep.months, |time| time.strftime("%Y-%m").to_string()),
        ("yearly", keep.years, |time| time.strftime("%Y").to_string()),
    ];
    for (name, count, period) in periods {
        let mut seen = BTreeSet::new();
        for backup in newest_first() {
            if seen.len() == count as usize {
                break;
            }
            if seen.insert(period(backup.id.time())) {
                reasons.entry(&backup.id).or_default().push(name);
            }
        }
    }
    let decision = |backup: &&'a Backup| Decision {
        backup,
        kept_for: reasons.get(&backup.id).cloned().unwrap_or_default(),
    };
    backups.iter().map(decision).collect()
}

fn week(time: Timestamp) -> String {
    let date: Date = time.to_zoned(TimeZone::UTC).date();
    let week = date.iso_week_date();
    format!("{}-{}", week.year(), week.week())
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::tagged;
    use super::super::list::{Contents, Verified};
    use super::super::tags::{Part, Verdict};
    use super::*;

    fn backups(ids: &[String]) -> Vec<Backup> {
        let manifest = |id: &String| tagged(id, Part::Manifest, "2026-01-01T00:00:00Z", None);
        Contents::of(ids.iter().map(manifest).collect(), Timestamp::UNIX_EPOCH).backups
    }

    fn kept(backups: &[Backup], keep: &str) -> Vec<String> {
        let all: Vec<&Backup> = backups.iter().collect();
        let decisions = decide(&all, &Keep::parse(keep).unwrap());
        let kept = decisions.iter().filter(|decision| !decision.kept_for.is_empty());
        kept.map(|decision| decision.backup.id.as_str()[..13].to_string()).collect()
    }

    #[test]
    fn the_last_of_each_period_is_kept() {
        let days = |range: std::ops::RangeInclusive<u32>, month: u32| {
            range.flat_map(move |day| {
                [2, 14].map(|hour| format!("2026{month:02}{day:02}T{hour:02}0000Z-000000"))
            })
        };
        let all = backups(&days(1..=31, 10).chain(days(1..=30, 11)).collect::<Vec<_>>());
        assert_eq!(kept(&all, "2d"), ["20261129T1400", "20261130T1400"]);
        // 2026-11-30 is a Monday: its week has one day so far.
        assert_eq!(kept(&all, "2w"), ["20261129T1400", "20261130T1400"]);
        assert_eq!(kept(&all, "12m"), ["20261031T1400", "20261130T1400"]);
        assert_eq!(kept(&all, "2h,1y"), ["20261130T0200", "20261130T1400"]);
    }

    #[test]
    fn the_last_verified_backup_is_always_kept() {
        let mut all = backups(&(1..=9).map(|day| format!("2026110{day}T020000Z-000000")).collect::<Vec<_>>());
        for (at, verdict) in [(0, Verdict::Passed), (1, Verdict::Passed), (2, Verdict::Failed)] {
            all[at].verified = Some(Verified { at: Timestamp::UNIX_EPOCH, verdict });
        }
        assert_eq!(kept(&all, "1d"), ["20261102T0200", "20261109T0200"]);
        assert_eq!(kept(&all[..1], "1d").len(), 1, "the only one");
        assert!(kept(&[], "1d").is_empty());
    }
}
