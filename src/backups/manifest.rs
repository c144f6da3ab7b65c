//! The manifest of a backup, as JSON: what its database and its files contain. It is written once both are in the
//! repository, so that it says what is there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::id::BackupId;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// The version that this release writes. A newer one is refused; a field that is only added does not need one.
pub const VERSION: u32 = 1;
/// The names of the files in the snapshots.
pub const DATABASE_FILE: &str = "database.sql";
pub const MANIFEST_FILE: &str = "manifest.json";
pub const REPORT_FILE: &str = "report.json";

/// What a backup contains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub backup: BackupId,
    /// RFC 3339, in UTC.
    pub taken_at: String,
    pub reason: String,
    pub site: String,
    pub installation: String,
    /// The fingerprint of the code that the database is migrated to; None if no release of ours has migrated it.
    pub fingerprint: Option<String>,
    /// The stage of a migration that was interrupted: the database is as it left it.
    #[serde(default)]
    pub migration: Option<String>,
    pub frappe_version: Option<String>,
    pub apps: Vec<App>,
    pub database: Database,
    pub files: Files,
    /// Files that went or could not be read while the backup was taken: paths below `sites/`.
    #[serde(default)]
    pub vanished: Vec<String>,
    /// The release that wrote it.
    pub made_by: String,
}

/// An installed app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct App {
    pub name: String,
    pub version: Option<String>,
    pub commit: Option<String>,
}

/// The dump: a plain script of pg_dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// The id of its snapshot.
    pub snapshot: String,
    pub bytes: u64,
    /// Of the script, in hex.
    pub sha256: String,
    pub server_version: String,
    pub pg_dump_version: String,
    /// The rows of each table in the script, by `schema.table`.
    pub tables: BTreeMap<String, u64>,
}

/// The files of the site, which are in one snapshot with site_config.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The id of their snapshot.
    pub snapshot: String,
    pub public: Amount,
    pub private: Amount,
}

/// A number of regular files, and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    pub count: u64,
    pub bytes: u64,
}

impl Manifest {
    /// Reads a manifest. Unknown fields are ignored.
    ///
    /// # Errors
    /// 65 if it is damaged, or of a newer release.
    pub fn parse(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let damaged = |error: serde_json::Error| {
            Fault::foreign_data(
                format!("the manifest of the backup cannot be read: {error}"),
                "use another backup",
            )
            .named(Refusal::BackupDamaged)
        };
        let head: Head = serde_json::from_slice(json).map_err(damaged)?;
        if head.version > VERSION {
            let cause = format!(
                "the manifest of the backup has version {}, and this release knows {VERSION}",
                head.version
            );
            let hint = "use the release of cauldron-frappe that made the backup, or a later one";
            return Err(Fault::foreign_data(cause, hint).named(Refusal::BackupNewer));
        }
        serde_json::from_slice(json).map_err(damaged)
    }

    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a manifest is JSON")
    }

    /// The size of database and files.
    pub fn bytes(&self) -> u64 {
        self.database.bytes + self.files.public.bytes + self.files.private.bytes
    }

    pub fn rows(&self) -> u64 {
        self.database.tables.values().sum()
    }
}

#[cfg(test)]
pub fn sample() -> Manifest {
    Manifest {
        version: VERSION,
        backup: BackupId::parse("20261130T014800Z-1a2b3c").unwrap(),
        taken_at: "2026-11-30T01:48:00Z".into(),
        reason: "by-hand".into(),
        site: "erp.test".into(),
        installation: "i".into(),
        fingerprint: Some("0123456789abcdef0123".into()),
        migration: None,
        frappe_version: Some("15.55.1".into()),
        apps: vec![App { name: "frappe".into(), version: Some("15.55.1".into()), commit: None }],
        database: Database {
            snapshot: "ff813b52".into(),
            bytes: 100,
            sha256: "00".into(),
            server_version: "15.8".into(),
            pg_dump_version: "15.8".into(),
            tables: BTreeMap::from([("public.tabUser".into(), 2), ("public.tabFile".into(), 3)]),
        },
        files: Files {
            snapshot: "825a6cf6".into(),
            public: Amount { count: 1, bytes: 10 },
            private: Amount { count: 2, bytes: 20 },
        },
        vanished: Vec::new(),
        made_by: "0.2.0".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_manifest_is_written_and_read_and_unknown_fields_are_ignored() {
        let manifest = sample();
        assert_eq!(Manifest::parse(&manifest.json()).unwrap(), manifest);
        let mut value: Value = serde_json::from_slice(&manifest.json()).unwrap();
        value["later"] = 1.into();
        value["database"]["later"] = 1.into();
        assert_eq!(Manifest::parse(value.to_string().as_bytes()).unwrap(), manifest);
        assert_eq!((manifest.bytes(), manifest.rows()), (130, 5));
    }

    #[test]
    fn a_newer_and_a_damaged_manifest_are_refused() {
        let newer = br#"{"version": 2, "everything": "else"}"#;
        assert_eq!(Manifest::parse(newer).unwrap_err().refusal, Some(Refusal::BackupNewer));
        for damaged in [&b""[..], b"{}", b"{\"version\": 1}", b"{\"version\": \"1\"}"] {
            assert_eq!(Manifest::parse(damaged).unwrap_err().refusal, Some(Refusal::BackupDamaged));
        }
    }
}
