//! The id of a backup: `20261130T014800Z-1a2b3c`, its start in UTC and six random digits of hex. Ids sort by time.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "%Y%m%dT%H%M%SZ";
const RANDOM_DIGITS: usize = 6;

/// The id of one backup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId(String);

impl BackupId {
    /// A new id. `random` distinguishes backups that begin in the same second.
    pub fn new(now: Timestamp, random: u32) -> Self {
        Self(format!("{}-{:06x}", now.strftime(FORMAT), random & 0xff_ffff))
    }

    /// Reads an id; None if the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, random) = text.split_once('-')?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_id = random.len() == RANDOM_DIGITS && random.bytes().all(is_hex) && parse_time(time).is_some();
        is_id.then(|| Self(text.to_string()))
    }

    /// When the backup began.
    pub fn time(&self) -> Timestamp {
        self.0.split_once('-').and_then(|(time, _)| parse_time(time)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn parse_time(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(FORMAT, text).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for BackupId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not the id of a backup"))
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_its_time_and_sorts_by_it() {
        let time: Timestamp = "2026-11-30T01:48:00Z".parse().unwrap();
        let id = BackupId::new(time, 0xff1a_2b3c);
        assert_eq!(id.as_str(), "20261130T014800Z-1a2b3c");
        assert_eq!(BackupId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(id.time(), time);
        assert!(BackupId::new("2026-12-01T00:00:00Z".parse().unwrap(), 0) > id);
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in [
            "",
            "newest",
            "20261130T014800Z",
            "20261330T014800Z-1a2b3c",
            "20261130T014800Z-1A2B3C",
            "x-1a2b3c",
        ] {
            assert_eq!(BackupId::parse(text), None, "{text}");
        }
    }
}
