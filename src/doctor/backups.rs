//! The check of the site's backups, by what `backup` and `backup verify` wrote on the volume. The repository is not asked:
//! no role has its password.

use jiff::{SignedDuration, Timestamp};

use super::finding::Finding;
use super::id::Id;
use crate::backups::bytes::age;
use crate::backups::list::CLOCK_TOLERANCE;
use crate::record::last_verified::LastVerified;
use crate::record::volume::{LastBackup, Volume};

/// As the alert CauldronFrappeBackupOld.
const MAX_BACKUP_AGE: SignedDuration = SignedDuration::from_hours(2 * 24);
/// As the alert CauldronFrappeBackupNotVerified.
const MAX_VERIFIED_AGE: SignedDuration = SignedDuration::from_hours(35 * 24);

const TAKE: &str = "run `cauldron-frappe backup`, and take backups on a clock (docs/backups.md)";
const CLOCK: &str =
    "correct this machine's clock; if that of the one that took it was wrong, run `cauldron-frappe backup`";
const VERIFY: &str = "run `cauldron-frappe backup verify` (docs/restore.md)";

pub fn check(volume: &Volume, site: &str, has_repository: bool) -> Finding {
    evaluate(site, has_repository, volume.last_backup(), volume.last_verified(), Timestamp::now())
}

fn evaluate(
    site: &str,
    has_repository: bool,
    last: Option<LastBackup>,
    verified: Option<LastVerified>,
    now: Timestamp,
) -> Finding {
    let id = Id::Backups;
    let since = |at_s: i64| SignedDuration::from_secs(now.as_second().saturating_sub(at_s));
    let Some(last) = last else {
        let detail = match has_repository {
            true => "none was taken yet into the repository of CAULDRON_BACKUP_TO",
            false => "`cauldron-frappe backup` has taken none, and CAULDRON_BACKUP_TO is not set here",
        };
        return Finding::info(id, site, detail);
    };
    let taken = since(last.at_s);
    if -taken > CLOCK_TOLERANCE {
        let detail = format!("the newest, {}, is dated {} in the future", last.id, age(-taken));
        return Finding::warning(id, site, detail, CLOCK);
    }
    let detail = format!("the newest, {}, is {} old", last.id, age(taken));
    if taken > MAX_BACKUP_AGE {
        return Finding::warning(id, site, detail, TAKE);
    }
    let Some(verified) = verified else {
        return Finding::warning(id, site, format!("{detail}; none was ever verified"), VERIFY);
    };
    let when = age(since(verified.at_s));
    if !verified.passed {
        let detail = format!("{detail}; backup {} was verified {when} ago, and does not work", verified.id);
        return Finding::warning(id, site, detail, "run `cauldron-frappe backup`, then `backup verify`");
    }
    let detail = format!("{detail}; backup {} was verified {when} ago", verified.id);
    if since(verified.at_s) > MAX_VERIFIED_AGE {
        return Finding::warning(id, site, detail, VERIFY);
    }
    Finding::ok(id, site, detail)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    const DAY_S: i64 = 24 * 3600;

    fn found(backup_days: Option<i64>, verified: Option<(i64, bool)>) -> (Severity, String) {
        let now_s = 1_000 * DAY_S;
        let last = backup_days.map(|days| LastBackup {
            id: "b".into(),
            at_s: now_s - days * DAY_S,
            bytes: 1,
            took_s: 1,
        });
        let verified = verified.map(|(days, passed)| {
            let at_s = now_s - days * DAY_S;
            let passed_at_s = passed.then_some(at_s);
            LastVerified { id: "v".into(), at_s, passed, passed_at_s, restore_ms: None, took_ms: None }
        });
        let finding = evaluate("s", true, last, verified, Timestamp::from_second(now_s).unwrap());
        (finding.severity, format!("{}; {}", finding.detail, finding.hint))
    }

    #[test]
    fn an_old_backup_and_one_that_was_not_verified_are_warnings() {
        for (backup, verified, severity, says) in [
            (None, None, Severity::Info, "none was taken"),
            (Some(1), Some((34, true)), Severity::Ok, "is 24 h old; backup v was verified 34 d ago"),
            (Some(3), Some((1, true)), Severity::Warning, "is 3 d old; run `cauldron-frappe backup`"),
            (Some(1), None, Severity::Warning, "none was ever verified"),
            (Some(1), Some((36, true)), Severity::Warning, "backup v was verified 36 d ago; run"),
            (Some(1), Some((1, false)), Severity::Warning, "does not work"),
            (Some(-3), Some((1, true)), Severity::Warning, "is dated 3 d in the future; correct"),
        ] {
            let (found, text) = found(backup, verified);
            assert!(found == severity && text.contains(says), "{backup:?} {verified:?}: {found:?} {text}");
        }
    }
}
