//! A backup of a repository as the source of a restore: its manifest, its dump as a stream, its files.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::net::unix::pipe;

use super::load::Loaded;
use super::source::Dump;
use crate::backups::id::BackupId;
use crate::backups::list::{Backup, Contents};
use crate::backups::manifest::{Amount, DATABASE_FILE, MANIFEST_FILE, Manifest};
use crate::bench::file_thread::on_file_thread;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;
use crate::restic::{Restic, SnapshotId, Words};
use crate::take_backup;

/// A backup, and what it says about itself.
#[derive(Clone, Debug)]
pub struct Repository {
    pub manifest: Manifest,
    /// site_config.json, with the encryption key.
    config: Map<String, Value>,
}

/// The backup that was asked for: an id, or the newest of the site.
///
/// # Errors
/// 65 if there is none, or if it is damaged; the fault of the repository; a signal.
pub async fn find(pod: &Pod, wanted: &str, site: &str) -> Flow<Repository> {
    let restic = Restic::of(pod)?;
    take_backup::open_existing(&restic).await?;
    let contents = take_backup::contents(&restic).await?;
    let found = match wanted {
        "newest" => contents.newest(site),
        id => BackupId::parse(id).and_then(|id| contents.find(&id)),
    };
    let Some(found) = found else { return Err(not_found(&contents, wanted, site).into()) };
    if wanted == "newest" && found.is_of_the_future(Timestamp::now()) {
        return Err(of_the_future(found.id.as_str(), site).into());
    }
    let Backup { id, manifest: snapshot, .. } = found;
    let manifest =
        Manifest::parse(&restic.read(&SnapshotId(snapshot.clone()), &format!("/{MANIFEST_FILE}")).await?)?;
    if manifest.backup != *id {
        return Err(damaged(format!("the manifest of backup {id} is the one of {}", manifest.backup)).into());
    }
    let files = SnapshotId(manifest.files.snapshot.clone());
    let config = restic.read(&files, &format!("/{}/site_config.json", manifest.site)).await?;
    let config = serde_json::from_slice(&config)
        .map_err(|error| damaged(format!("site_config.json in backup {id} cannot be read: {error}")))?;
    Ok(Repository { manifest, config })
}

fn not_found(contents: &Contents, wanted: &str, site: &str) -> Fault {
    let newest: Vec<&str> = contents.backups.iter().rev().take(5).map(|backup| backup.id.as_str()).collect();
    let cause = format!("the repository has no backup `{wanted}` of site {site}");
    let hint = match newest.is_empty() {
        true => "it has no complete backup at all: check CAULDRON_BACKUP_TO".into(),
        false => format!("name one of `cauldron-frappe backup list`: the newest are {}", newest.join(", ")),
    };
    Fault::foreign_data(cause, hint).named(Refusal::BackupNotFound)
}

/// Which backup is the newest is then unknown.
fn of_the_future(id: &str, site: &str) -> Fault {
    Fault::configuration(
        format!(
            "the newest backup of site {site}, {id}, is dated in the future: this machine's clock is wrong, or that of the one that took it was"
        ),
        "correct this machine's clock, or name a backup by its id: `cauldron-frappe backup list`; nothing was changed",
    )
}

impl Repository {
    pub fn id(&self) -> &BackupId {
        &self.manifest.backup
    }

    pub fn site_config(&self) -> &Map<String, Value> {
        &self.config
    }

    /// Opens the dump. It is read from the repository as it is loaded.
    ///
    /// # Errors
    /// restic cannot be started.
    pub fn dump(&self, pod: &Pod) -> Result<Dump> {
        let restic = Restic::of(pod)?;
        let fault = |error: io::Error| Fault::try_again(format!("cannot make a pipe: {error}"), "try again");
        let (read_end, write_end) = crate::sys::exec::pipe().map_err(fault)?;
        let snapshot = &self.manifest.database.snapshot;
        let words = Words::new(["dump", "--no-lock", snapshot, &format!("/{DATABASE_FILE}")]);
        let running = restic.start(Words { stdout: Some(Arc::new(write_end)), ..words })?;
        let reader = pipe::Receiver::from_owned_fd(read_end).map_err(fault)?;
        let doing = format!("cannot read the database of backup {} in {}", self.id(), restic.shown);
        let end = async move {
            let ran = running.end().await;
            if ran.success() { Ok(()) } else { Err(ran.reason().fault(&doing)) }
        };
        Ok(Dump { reader, end: Box::pin(end) })
    }

    /// Writes the files into `folder`: `public/files` and `private/files`; and compares their number and size.
    ///
    /// # Errors
    /// 65 if they are not what the manifest says; 75 on a full disk; the fault of the repository; a signal.
    pub async fn unpack(&self, pod: &Pod, folder: &Path) -> Flow<()> {
        let restic = Restic::of(pod)?;
        let site = &self.manifest.site;
        let raw = folder.join("from-repository");
        let words = Words::new(["restore", "--no-lock", &self.manifest.files.snapshot]);
        let words = words.and(["--include".to_string(), format!("/{site}/public"), "--include".into()]);
        let words = words.and([format!("/{site}/private"), "--target".into()]).and([raw.as_os_str()]);
        restic.succeed(&format!("cannot restore the files of backup {} from", self.id()), words).await?;
        let moved = (raw.join(site), folder.to_path_buf());
        let found = on_file_thread(move || {
            let (site, folder) = moved;
            for part in ["public", "private"] {
                if site.join(part).exists() {
                    fs::rename(site.join(part), folder.join(part))?;
                }
                fs::create_dir_all(folder.join(part).join("files"))?;
            }
            fs::remove_dir_all(&raw)?;
            Ok((amount(&folder.join("public/files"))?, amount(&folder.join("private/files"))?))
        })
        .await?
        .map_err(|error: io::Error| {
            Fault::file(format!("cannot restore files into {}", folder.display()), &error)
        })?;
        let (public, private) = (self.manifest.files.public, self.manifest.files.private);
        if found != (public, private) {
            return Err(damaged(format!(
                "backup {} should have {} files with {} bytes, and has {} with {}",
                self.id(),
                public.count + private.count,
                public.bytes + private.bytes,
                found.0.count + found.1.count,
                found.0.bytes + found.1.bytes
            ))
            .into());
        }
        Ok(())
    }

    /// Compares what was loaded with the manifest.
    ///
    /// # Errors
    /// 65 if they differ.
    pub fn compare(&self, loaded: &Loaded) -> Result<()> {
        let expected = &self.manifest.database;
        let differs = |what: String| {
            Err(damaged(format!("the database of backup {} differs from its manifest: {what}", self.id())))
        };
        if loaded.bytes != expected.bytes {
            return differs(format!("{} bytes instead of {}", loaded.bytes, expected.bytes));
        }
        if loaded.sha256 != expected.sha256 {
            return differs("another digest".into());
        }
        for (table, rows) in &expected.tables {
            let found = loaded.tables.get(table).copied();
            if found != Some(*rows) {
                return differs(format!("{table} has {} rows instead of {rows}", found.unwrap_or_default()));
            }
        }
        Ok(())
    }
}

/// The regular files in a folder.
///
/// # Errors
/// A folder that cannot be read.
pub fn amount(folder: &Path) -> io::Result<Amount> {
    let mut total = Amount::default();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            let below = amount(&entry.path())?;
            total.count += below.count;
            total.bytes += below.bytes;
        } else if metadata.is_file() {
            total.count += 1;
            total.bytes += metadata.len();
        }
    }
    Ok(total)
}

fn damaged(cause: String) -> Fault {
    let hint = "use another backup: `cauldron-frappe backup list` shows them";
    Fault::foreign_data(cause, hint).named(Refusal::BackupDamaged)
}
