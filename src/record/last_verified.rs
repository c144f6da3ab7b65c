//! The last verification of a backup of the site (`sites/.cauldron/<site>/last_verified.json`).
//!
//! `backup verify` writes it where it has the site's volume. Where it has none, the next `backup` writes what the repository
//! says about it. No role asks the repository.

use serde::{Deserialize, Serialize};

use super::volume::Volume;
use crate::outcome::Result;

const LAST_VERIFIED: &str = "last_verified.json";

/// The last verification of a backup of the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastVerified {
    /// The backup.
    pub id: String,
    /// When it was verified, in seconds since 1970.
    pub at_s: i64,
    pub passed: bool,
    /// When a verification of any backup passed last; None if none has.
    pub passed_at_s: Option<i64>,
    /// The time that the restore into scratch took; None if only the repository told of the verification.
    pub restore_ms: Option<u64>,
    /// The time of the whole verification.
    pub took_ms: Option<u64>,
}

impl LastVerified {
    /// The later of two, with what only the other one knows.
    #[must_use]
    pub fn and(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        let passed_at_s = self.passed_at_s.max(other.passed_at_s);
        let (mut last, before) = if other.at_s > self.at_s { (other, self) } else { (self, other) };
        if last.id == before.id && last.passed == before.passed {
            last.restore_ms = last.restore_ms.or(before.restore_ms);
            last.took_ms = last.took_ms.or(before.took_ms);
        }
        Self { passed_at_s, ..last }
    }
}

impl Volume {
    /// The last verification. An unreadable file does not count.
    pub fn last_verified(&self) -> Option<LastVerified> {
        serde_json::from_str(&self.read(LAST_VERIFIED).ok()??).ok()
    }

    /// Writes a verification, unless a later one is there.
    ///
    /// # Errors
    /// 77 where `sites/` may not be written, 75 on a full disk.
    pub fn write_last_verified(&self, verified: LastVerified) -> Result<()> {
        let present = self.last_verified();
        let last = verified.and(present.clone());
        if present.as_ref() == Some(&last) {
            return Ok(());
        }
        self.write(LAST_VERIFIED, &serde_json::to_vec_pretty(&last).expect("a verification is JSON"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(id: &str, at_s: i64, passed: bool) -> LastVerified {
        let passed_at_s = passed.then_some(at_s);
        LastVerified { id: id.into(), at_s, passed, passed_at_s, restore_ms: Some(7), took_ms: Some(9) }
    }

    #[test]
    fn a_failure_keeps_the_time_of_the_last_success() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::read_only(folder.path().join("s"));
        assert_eq!(volume.last_verified(), None);
        volume.write_last_verified(verified("a", 10, true)).unwrap();
        volume.write_last_verified(verified("b", 20, false)).unwrap();
        let last = volume.last_verified().unwrap();
        assert_eq!((last.id.as_str(), last.passed, last.passed_at_s), ("b", false, Some(10)));
    }

    #[test]
    fn what_the_repository_says_neither_replaces_a_later_one_nor_the_durations() {
        let of_repository = |verified| LastVerified { restore_ms: None, took_ms: None, ..verified };
        let present = verified("b", 20, true);
        let earlier = of_repository(verified("a", 10, false));
        assert_eq!(earlier.and(Some(present.clone())), present);
        let same = of_repository(verified("b", 21, true)).and(Some(present.clone()));
        assert_eq!((same.restore_ms, same.at_s, same.passed_at_s), (Some(7), 21, Some(21)));
        assert_eq!(of_repository(verified("c", 30, true)).and(Some(present)).restore_ms, None);
    }
}
