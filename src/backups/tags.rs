//! The tags of our snapshots. Every release reads the tags of every other: unknown ones are ignored.
//!
//! | tag | on | meaning |
//! |---|---|---|
//! | `cauldron` | all | ours |
//! | `backup=<id>`, `part=database\|files\|manifest\|report\|migration` | all | what it belongs to, and as which part |
//! | `site=<name>`, `installation=<id>` | all | whose |
//! | `code=<12 digits of hex>`, `reason=…`, `size=<bytes>`, `database-bytes=<bytes>` | manifest | fingerprint of the migrated code; why; database and files |
//! | `dump=<name>` | migration | the file's name |
//! | `verdict=passed\|failed` | report | what `backup verify` found |

use super::id::BackupId;

/// On every snapshot of ours.
pub const OURS: &str = "cauldron";
/// The digits of the fingerprint that are shown.
const CODE_LENGTH: usize = 12;

/// The part of a backup that a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Database,
    Files,
    Manifest,
    /// The report of a verification.
    Report,
    /// A dump from before a migration, which a later backup uploaded.
    Migration,
}

/// Why a backup was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Schedule,
    ByHand,
    BeforeMigration,
    BeforeRestore,
}

/// The verdict of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
}

macro_rules! words {
    ($type:ident: $($variant:ident $word:literal)*) => {
        impl $type {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

words! { Part: Database "database" Files "files" Manifest "manifest" Report "report" Migration "migration" }
words! { Why: Schedule "schedule" ByHand "by-hand" BeforeMigration "before-migration" BeforeRestore "before-restore" }
words! { Verdict: Passed "passed" Failed "failed" }

/// The tags of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    pub backup: BackupId,
    pub part: Part,
    pub site: String,
    pub installation: String,
    /// None for a site that no release of ours has migrated.
    pub code: Option<String>,
    pub why: Option<Why>,
    pub size_bytes: Option<u64>,
    /// The size of the database's script.
    pub database_bytes: Option<u64>,
    /// The name of a dump from before a migration.
    pub dump: Option<String>,
    pub verdict: Option<Verdict>,
}

impl Tags {
    /// The tags that every part has.
    pub fn new(backup: &BackupId, part: Part, site: &str, installation: &str) -> Self {
        let (backup, site, installation) = (backup.clone(), site.to_string(), installation.to_string());
        Self {
            backup,
            part,
            site,
            installation,
            code: None,
            why: None,
            size_bytes: None,
            database_bytes: None,
            dump: None,
            verdict: None,
        }
    }

    pub fn is_of(&self, site: &str, installation: &str) -> bool {
        self.site == site && self.installation == installation
    }

    /// The tags as restic takes them. None contains a comma, which would divide it.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![
            OURS.to_string(),
            format!("backup={}", self.backup),
            format!("part={}", self.part.as_str()),
            format!("site={}", self.site),
            format!("installation={}", self.installation),
        ];
        let code = self.code.as_ref().map(|code| format!("code={}", code.get(..CODE_LENGTH).unwrap_or(code)));
        words.extend(code);
        words.extend(self.why.map(|why| format!("reason={}", why.as_str())));
        words.extend(self.size_bytes.map(|bytes| format!("size={bytes}")));
        words.extend(self.database_bytes.map(|bytes| format!("database-bytes={bytes}")));
        words.extend(self.dump.as_ref().map(|name| format!("dump={name}")));
        words.extend(self.verdict.map(|verdict| format!("verdict={}", verdict.as_str())));
        words
    }

    /// Reads the tags of a snapshot; None if it is none of ours, or of a part that a newer release makes.
    pub fn parse(words: &[String]) -> Option<Self> {
        let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        if !words.iter().any(|word| word == OURS) {
            return None;
        }
        Some(Self {
            backup: BackupId::parse(value("backup")?)?,
            part: Part::parse(value("part")?)?,
            site: value("site")?.to_string(),
            installation: value("installation")?.to_string(),
            code: value("code").map(str::to_string),
            why: value("reason").and_then(Why::parse),
            size_bytes: value("size").and_then(|bytes| bytes.parse().ok()),
            database_bytes: value("database-bytes").and_then(|bytes| bytes.parse().ok()),
            dump: value("dump").map(str::to_string),
            verdict: value("verdict").and_then(Verdict::parse),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_written_and_read() {
        let id = BackupId::parse("20261130T014800Z-1a2b3c").unwrap();
        let tags = Tags {
            code: Some("0123456789ab".into()),
            why: Some(Why::BeforeMigration),
            size_bytes: Some(7),
            database_bytes: Some(5),
            dump: Some("20261130T014800Z.dump".into()),
            verdict: Some(Verdict::Failed),
            ..Tags::new(&id, Part::Manifest, "erp.test", "i")
        };
        let words = tags.words();
        assert!(words.iter().all(|word| !word.contains(',')));
        assert_eq!(Tags::parse(&words), Some(tags));
        let more = [words, vec!["later=1".into()]].concat();
        assert!(Tags::parse(&more).is_some(), "an unknown tag");
        assert_eq!(Tags::parse(&more[1..]), None, "not ours");
    }

    #[test]
    fn a_fingerprint_is_cut() {
        let id = BackupId::parse("20261130T014800Z-1a2b3c").unwrap();
        let tags =
            Tags { code: Some("0123456789abcdef0123".into()), ..Tags::new(&id, Part::Files, "s", "i") };
        assert!(tags.words().contains(&"code=0123456789ab".to_string()));
    }
}
