//! Makes snapshots: of a stream, or of folders.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use super::run::{OnLine, Ran, Restic, Running, Words};
use super::snapshot::SnapshotId;
use crate::outcome::{Fault, Flow, Result, Stopped};
use crate::sys::exec;
use crate::sys::exit::Exit;

/// restic's exit code for a snapshot that lacks files which could not be read.
const INCOMPLETE: i32 = 3;

/// What a snapshot contains.
pub enum Source {
    /// One file of this name, from a pipe.
    Stream { name: &'static str, pipe: Arc<OwnedFd> },
    /// Paths in a folder, with their names in the snapshot.
    Paths { folder: PathBuf, paths: Vec<PathBuf> },
}

/// How far a snapshot of folders is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub bytes_done: u64,
    pub total_bytes: u64,
    pub files_done: u64,
    pub total_files: u64,
}

/// A snapshot that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub id: SnapshotId,
    /// The bytes that the repository grew by.
    pub added_bytes: u64,
    /// The files that could not be read: they went meanwhile.
    pub unreadable: Vec<String>,
}

/// A snapshot in the making.
pub struct Saving {
    pub running: Running,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    progress: Progress,
    summary: Option<Summary>,
}

#[derive(Clone, Debug, Deserialize)]
struct Summary {
    snapshot_id: SnapshotId,
    #[serde(default)]
    data_added: u64,
}

/// A line of `restic backup --json`.
#[derive(Deserialize)]
#[serde(tag = "message_type", rename_all = "snake_case")]
enum Line {
    Status(Progress),
    Summary(Summary),
    Error {
        #[serde(default)]
        item: String,
    },
    #[serde(other)]
    Other,
}

impl Restic<'_> {
    /// Starts to make a snapshot with these tags, of a host that is the site's name.
    ///
    /// # Errors
    /// The reason why restic cannot be started.
    pub fn save(&self, source: Source, tags: &[String], host: &str) -> Result<Saving> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let observed = seen.clone();
        let on_line: OnLine = Arc::new(move |line: &str| observe(&observed, line));
        let mut words = Words::new(["backup", "--json", "--host", host]);
        words = words.and(tags.iter().flat_map(|tag| ["--tag".to_string(), tag.clone()]));
        words = match source {
            Source::Stream { name, pipe } => {
                Words { stdin: Some(pipe), ..words.and(["--stdin", "--stdin-filename", name]) }
            }
            Source::Paths { folder, paths } => {
                let paths = paths.into_iter().map(PathBuf::into_os_string);
                words
                    .and(["--".into()].into_iter().chain(paths).collect::<Vec<OsString>>())
                    .in_folder(&folder)
            }
        };
        let running = self.start(Words { on_line: Some(on_line), ..words })?;
        Ok(Saving { running, seen })
    }

    /// Makes a snapshot of one small file: a manifest, a report.
    ///
    /// # Errors
    /// The fault of the failure, which begins with `doing`; a signal.
    pub async fn save_bytes(
        &self,
        doing: &str,
        (name, bytes): (&'static str, &[u8]),
        tags: &[String],
        host: &str,
    ) -> Flow<Saved> {
        let (read_end, write_end) = pipe(doing)?;
        let saving = self.save(Source::Stream { name, pipe: Arc::new(read_end) }, tags, host)?;
        // A restic that ends early says so itself.
        let write = async {
            let mut sender = pipe::Sender::from_owned_fd(write_end)?;
            sender.write_all(bytes).await
        };
        let (_, saved) = tokio::join!(write, self.finish(doing, &saving));
        saved
    }

    /// Waits for the end of a snapshot.
    ///
    /// # Errors
    /// As [`save_bytes`](Self::save_bytes).
    pub async fn finish(&self, doing: &str, saving: &Saving) -> Flow<Saved> {
        tokio::select! {
            ran = saving.running.end() => Ok(self.saved(doing, saving, &ran)?),
            signal = self.pod.shutdown.stop_requested() => {
                saving.running.stop(self.pod.shutdown.forced()).await;
                Err(Stopped::Signal(signal))
            }
        }
    }

    /// The snapshot that a run has made.
    ///
    /// # Errors
    /// The fault of the failure, which begins with `doing`.
    pub fn saved(&self, doing: &str, saving: &Saving, ran: &Ran) -> Result<Saved> {
        let summary = saving.seen.lock().unwrap_or_else(PoisonError::into_inner).summary.clone();
        let is_complete = ran.success();
        match summary {
            Some(Summary { snapshot_id, data_added })
                if is_complete || ran.exit == Some(Exit::Exited(INCOMPLETE)) =>
            {
                let unreadable = if is_complete { Vec::new() } else { unreadable(&ran.errors) };
                Ok(Saved { id: snapshot_id, added_bytes: data_added, unreadable })
            }
            None if is_complete => {
                let cause = format!("{doing}: restic did not say which snapshot it made");
                Err(Fault::try_again(cause, "check the version of restic"))
            }
            _ => Err(self.fault(doing, ran)),
        }
    }
}

/// A pipe into or out of a child.
///
/// # Errors
/// 75 if this process has too many open files.
pub fn pipe(doing: &str) -> Result<(OwnedFd, OwnedFd)> {
    exec::pipe().map_err(|error| {
        Fault::try_again(format!("{doing}: no pipe: {error}"), "raise the limit of open files")
    })
}

impl Saving {
    pub fn progress(&self) -> Progress {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).progress
    }
}

fn observe(seen: &Mutex<Seen>, line: &str) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    match serde_json::from_str(line) {
        Ok(Line::Status(progress)) => seen.progress = progress,
        Ok(Line::Summary(summary)) => seen.summary = Some(summary),
        _ => {}
    }
}

/// The files that restic's messages on standard error name.
fn unreadable(errors: &[String]) -> Vec<String> {
    let item = |line: &String| match serde_json::from_str(line) {
        Ok(Line::Error { item }) if !item.is_empty() => Some(item),
        _ => None,
    };
    errors.iter().filter_map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_backup_are_read() {
        let seen = Mutex::new(Seen::default());
        for line in [
            r#"{"message_type":"status","percent_done":0.5,"total_files":4,"files_done":2,"total_bytes":10,"bytes_done":5}"#,
            r#"{"message_type":"verbose_status","action":"new"}"#,
            r#"{"message_type":"summary","data_added":294,"snapshot_id":"ff813b52"}"#,
            "no JSON",
        ] {
            observe(&seen, line);
        }
        let seen = seen.into_inner().unwrap();
        assert_eq!(seen.progress, Progress { bytes_done: 5, total_bytes: 10, files_done: 2, total_files: 4 });
        assert_eq!(seen.summary.unwrap().snapshot_id.0, "ff813b52");
    }

    #[test]
    fn unreadable_files_are_named() {
        let errors = [
            r#"{"message_type":"error","error":{"Op":"open"},"during":"archival","item":"/s/public/files/a"}"#.to_string(),
            "Warning: at least one source file could not be read".into(),
        ];
        assert_eq!(unreadable(&errors), ["/s/public/files/a"]);
    }
}
