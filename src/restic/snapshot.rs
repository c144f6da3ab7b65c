//! Snapshots: their list, and reading a file of one.

use jiff::Timestamp;
use serde::Deserialize;

use super::run::{OnLine, Restic, Words};
use crate::outcome::{Fault, Flow, Result};

/// restic's word for a snapshot that it leaves out of a list, which it calls a success.
const UNREADABLE: &str = "could not load snapshot";

/// The id of a snapshot, as restic writes it: 8 digits of hex in the summary of a backup, 64 in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct SnapshotId(pub String);

impl SnapshotId {
    /// The id as it is shown.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

/// One snapshot of the list. Unknown fields are ignored.
#[derive(Clone, Debug, Deserialize)]
pub struct Snapshot {
    pub id: SnapshotId,
    pub time: Timestamp,
    #[serde(default)]
    pub tags: Vec<String>,
}

impl Restic<'_> {
    /// Every snapshot with this tag. Takes no lock, so that a list works with the right to read alone.
    ///
    /// # Errors
    /// The fault of the repository; a signal.
    pub async fn snapshots(&self, tag: &str) -> Flow<Vec<Snapshot>> {
        let words = Words::new(["snapshots", "--json", "--no-lock", "--tag", tag]);
        let ran = self.succeed("cannot list the backups in", words).await?;
        for reason in ran.errors.iter().filter(|line| line.contains(UNREADABLE)) {
            tracing::warn!(
                event = "backup.snapshot_unreadable",
                reason,
                "a backup may be missing in the list: the repository is damaged; examine it with `backup exec -- restic check`"
            );
        }
        Ok(parse(&ran.stdout)?)
    }

    /// One small file of a snapshot, such as a manifest.
    ///
    /// # Errors
    /// As [`snapshots`](Self::snapshots).
    pub async fn read(&self, snapshot: &SnapshotId, path: &str) -> Flow<Vec<u8>> {
        let words = Words::new(["dump", "--no-lock", &snapshot.0, path]);
        Ok(self
            .succeed(&format!("cannot read {path} of snapshot {} in", snapshot.short()), words)
            .await?
            .stdout)
    }

    /// Lists what a snapshot contains, a line of JSON for each file.
    ///
    /// # Errors
    /// As [`snapshots`](Self::snapshots).
    pub async fn list_files(&self, snapshot: &SnapshotId, on_line: OnLine) -> Flow<()> {
        let words = Words::new(["ls", "--json", "--no-lock", &snapshot.0]);
        let words = Words { on_line: Some(on_line), ..words };
        self.succeed(&format!("cannot list snapshot {} in", snapshot.short()), words).await.map(drop)
    }

    /// Removes snapshots. Their data stays until [`prune`](Self::prune).
    ///
    /// # Errors
    /// As [`snapshots`](Self::snapshots).
    pub async fn forget(&self, snapshots: &[&SnapshotId]) -> Flow<()> {
        let words = Words::new(["forget"]).and(snapshots.iter().map(|id| id.0.clone()));
        self.succeed("cannot remove snapshots from", words).await.map(drop)
    }

    /// Removes data that no snapshot has.
    ///
    /// # Errors
    /// As [`snapshots`](Self::snapshots).
    pub async fn prune(&self) -> Flow<()> {
        self.succeed("cannot remove unused data from", Words::new(["prune"])).await.map(drop)
    }
}

fn parse(json: &[u8]) -> Result<Vec<Snapshot>> {
    // Without a snapshot, restic 0.14 writes `null`.
    let parsed: serde_json::Result<Option<Vec<Snapshot>>> = serde_json::from_slice(json);
    parsed.map(Option::unwrap_or_default).map_err(|error| {
        Fault::try_again(
            format!("cannot read restic's list of snapshots: {error}"),
            "check the version of restic",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_any_version_is_read() {
        let json = br#"[{"time":"2026-11-30T02:54:32.728873826+01:00","tree":"85","paths":["/database.sql"],"hostname":"s",
            "tags":["cauldron","backup=1"],"id":"ff813b52d7790a7d","short_id":"ff813b52"},
            {"time":"2026-11-30T01:54:33Z","id":"825a6cf6","program_version":"restic 0.18.0","summary":{}}]"#;
        let list = parse(json).unwrap();
        assert_eq!(list[0].time.to_string(), "2026-11-30T01:54:32.728873826Z");
        assert_eq!((list[0].id.short(), list[0].tags.len()), ("ff813b52", 2));
        assert!(list[1].tags.is_empty());
        assert!(parse(b"null").unwrap().is_empty() && parse(b"[]").unwrap().is_empty());
        assert!(parse(b"").is_err());
    }
}
