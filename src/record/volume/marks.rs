//! What copies, restores and backups leave on the volume for the commands and roles after them, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::identity::{CopyMark, RestoreMark};
use super::super::restoring::Restoring;
use super::{Volume, read_text};
use crate::outcome::{Fault, Result};

const COPY_MARK: &str = "copy.json";
const RESTORE_MARK: &str = "restore.json";
const LAST_BACKUP: &str = "last_backup.json";
const RESTORING: &str = "restoring.json";
const UNPACKED: &str = "restore/stage";

/// The last backup of the site that is complete, as its command wrote it. The repository is not asked: no role has its
/// password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    pub id: String,
    /// When it began, in seconds since 1970.
    pub at_s: i64,
    /// The size of database and files.
    pub bytes: u64,
    pub took_s: u64,
}

impl Volume {
    /// The mark of a copy of another installation's site.
    pub fn copy_mark(&self) -> Result<Option<CopyMark>> {
        let path = self.folder.join(COPY_MARK);
        let Some(text) = read_text(&path)? else { return Ok(None) };
        let mark = serde_json::from_str(&text).map_err(|error| {
            Fault::configuration(
                format!("{}: {error}", path.display()),
                "remove this file; it is written again",
            )
        })?;
        Ok(Some(mark))
    }

    pub fn write_copy_mark(&self, mark: &CopyMark) -> Result<()> {
        self.write(COPY_MARK, &serde_json::to_vec_pretty(mark).expect("a mark is JSON"))
    }

    pub fn remove_copy_mark(&self) -> Result<()> {
        self.remove(COPY_MARK)
    }

    /// The mark of a restore under the exclusive lock, until a leader has read the restored database. An unreadable
    /// mark does not count: the site is then a copy.
    pub fn restore_mark(&self) -> Option<RestoreMark> {
        let text = read_text(&self.folder.join(RESTORE_MARK)).ok()??;
        serde_json::from_str(&text).ok()
    }

    pub fn write_restore_mark(&self, mark: &RestoreMark) -> Result<()> {
        self.write(RESTORE_MARK, &serde_json::to_vec_pretty(mark).expect("a mark is JSON"))
    }

    pub fn remove_restore_mark(&self) -> Result<()> {
        self.remove(RESTORE_MARK)
    }

    /// The restore that has begun and is not finished.
    ///
    /// # Errors
    /// 78 if the file cannot be parsed.
    pub fn restoring(&self) -> Result<Option<Restoring>> {
        let path = self.folder.join(RESTORING);
        let Some(text) = read_text(&path)? else { return Ok(None) };
        let restoring = serde_json::from_str(&text).map_err(|error| {
            let hint = "run `cauldron-frappe restore` again with the backup, which writes this file anew";
            Fault::configuration(format!("{}: {error}", path.display()), hint)
        })?;
        Ok(Some(restoring))
    }

    pub fn write_restoring(&self, restoring: &Restoring) -> Result<()> {
        self.write(RESTORING, &serde_json::to_vec_pretty(restoring).expect("a mark is JSON"))
    }

    pub fn remove_restoring(&self) -> Result<()> {
        self.remove(RESTORING)
    }

    /// The folder into which a restore unpacks its files, before its mark is written and after.
    pub fn unpacked(&self) -> PathBuf {
        self.folder.join(UNPACKED)
    }

    /// The last backup. An unreadable file does not count.
    pub fn last_backup(&self) -> Option<LastBackup> {
        serde_json::from_str(&read_text(&self.folder.join(LAST_BACKUP)).ok()??).ok()
    }

    pub fn write_last_backup(&self, backup: &LastBackup) -> Result<()> {
        self.write(LAST_BACKUP, &serde_json::to_vec_pretty(backup).expect("a backup is JSON"))
    }
}
