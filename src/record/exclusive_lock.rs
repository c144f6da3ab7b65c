//! The exclusive lock of a site: the file `sites/.cauldron/<site>/hold`. A command that replaces the site's database
//! (`exec -- bench restore`) writes it and renews it; every pod that reads it ends its children and its own
//! sessions, and starts again when the lock is released.
//!
//! The file is kept, and is empty while the lock is free: a network file system caches for a minute
//! that a file is absent, but asks the server when a file is opened.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::timing::{EXCLUSIVE_LOCK_HEARTBEAT, EXCLUSIVE_LOCK_INTERVAL, EXCLUSIVE_LOCK_STALE_AFTER};
use super::volume::random_id;
use crate::bench::Bench;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::tick;

/// The holder of the lock, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub id: String,
    pub host: String,
    /// For example `bench restore`, without its arguments: they may contain a password.
    pub command: String,
}

impl Holder {
    pub fn new(command: impl Into<String>) -> Self {
        let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
        Self { id: random_id(), host: host.unwrap_or_default(), command: command.into() }
    }

    pub fn text(&self) -> String {
        format!("`{}` on {} has the site", self.command, self.host)
    }

    /// The refusal of a command that does not wait for it.
    pub fn fault(&self) -> Fault {
        let hint = "wait until it ends; if it was killed, empty sites/.cauldron/<site>/hold";
        Fault::try_again(self.text(), hint).named(Refusal::SiteLocked)
    }
}

/// The lock file of one site.
#[derive(Clone, Debug)]
pub struct ExclusiveLock {
    path: PathBuf,
}

impl ExclusiveLock {
    pub fn of(bench: &Bench, site: &str) -> Self {
        Self { path: bench.cauldron_site(site).join("hold") }
    }

    /// Creates the empty file, as the leader, so that other pods see a write at once. Failure is harmless.
    pub fn prepare(&self) {
        if let Err(error) = File::options().create(true).append(true).open(&self.path) {
            tracing::debug!(event = "site.lock_file_failed", %error, "cannot create the exclusive lock's file");
        }
    }

    /// The present holder; a lock that is not renewed does not count.
    pub fn holder(&self) -> Option<Holder> {
        let text = fs::read_to_string(&self.path).ok().filter(|text| !text.is_empty())?;
        let holder = serde_json::from_str(&text).ok()?;
        let age = self.age();
        if age > EXCLUSIVE_LOCK_STALE_AFTER {
            let age_s = age.as_secs();
            tracing::debug!(
                event = "site.lock_stale",
                age_s,
                "ignoring an exclusive lock that is not renewed"
            );
            return None;
        }
        Some(holder)
    }

    /// The time since the last renewal, by the volume's own clock where that can be read.
    fn age(&self) -> Duration {
        let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
        let now = self
            .path
            .parent()
            .and_then(|folder| tempfile::tempfile_in(folder).ok())
            .and_then(|file| file.metadata().ok()?.modified().ok())
            .unwrap_or_else(SystemTime::now);
        changed(&self.path).ok().and_then(|then| now.duration_since(then).ok()).unwrap_or_default()
    }

    /// Waits until a command acquires the lock.
    pub async fn wait_until_taken(&self) -> Holder {
        loop {
            tick::next(EXCLUSIVE_LOCK_INTERVAL).await;
            if let Some(holder) = self.holder() {
                return holder;
            }
        }
    }

    /// Acquires the lock, and renews it until the value is dropped.
    ///
    /// # Errors
    /// 75 if another command has it, 77 and 75 as for any file.
    pub fn acquire(&self, holder: &Holder) -> Result<HeldLock> {
        match self.holder() {
            Some(other) => Err(other.fault()),
            None => self.take(holder),
        }
    }

    /// Acquires the lock, even if another process holds it. The caller knows that the holder is dead: it has a lock in
    /// the database that a living holder would have.
    ///
    /// # Errors
    /// 77 and 75 as for any file.
    pub fn take(&self, holder: &Holder) -> Result<HeldLock> {
        let text = serde_json::to_string(holder).expect("a holder is JSON");
        let fault = |error: &io::Error| Fault::file(format!("cannot write {}", self.path.display()), error);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|error| fault(&error))?;
        }
        write(&self.path, &text).map_err(|error| fault(&error))?;
        let path = self.path.clone();
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(EXCLUSIVE_LOCK_HEARTBEAT).await;
                if let Err(error) = write(&path, &text) {
                    tracing::warn!(
                        event = "site.lock_renewal_failed", %error,
                        "cannot renew the site's exclusive lock"
                    );
                }
            }
        });
        Ok(HeldLock { lock: self.clone(), holder: holder.clone(), renewal })
    }
}

/// An exclusive lock that this process holds.
pub struct HeldLock {
    lock: ExclusiveLock,
    holder: Holder,
    renewal: tokio::task::JoinHandle<()>,
}

impl HeldLock {
    /// Checks that no other command wrote the file at the same time: the last writer has the lock.
    ///
    /// # Errors
    /// 75 if that is another command.
    pub fn is_ours(&self) -> Result<()> {
        match self.lock.holder() {
            Some(other) if other.id != self.holder.id => Err(other.fault()),
            _ => Ok(()),
        }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.is_ours().is_ok()
            && let Err(error) = write(&self.lock.path, "")
        {
            tracing::warn!(
                event = "site.lock_release_failed", %error,
                "cannot release the site's exclusive lock: the pods start again when it expires in an hour, or when \
                 its file is emptied"
            );
        }
    }
}

/// Writes in place: processes that have the file open see the change.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().create(true).write(true).truncate(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_command_has_the_lock_until_it_ends_or_does_not_renew_it_for_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let lock = ExclusiveLock { path: folder.path().join("s/hold") };
        assert_eq!(lock.holder(), None);
        let (first, second) = (Holder::new("bench restore"), Holder::new("bench reinstall"));
        let held = lock.acquire(&first).unwrap();
        lock.prepare();
        assert_eq!(lock.holder(), Some(first.clone()));
        assert!(lock.acquire(&second).is_err());
        drop(held);
        assert_eq!(lock.holder(), None);
        std::mem::forget(lock.acquire(&first).unwrap());
        let file = File::options().write(true).open(&lock.path).unwrap();
        file.set_modified(SystemTime::now() - EXCLUSIVE_LOCK_STALE_AFTER - Duration::from_secs(1)).unwrap();
        assert_eq!(lock.holder(), None);
        assert!(lock.acquire(&second).is_ok());
    }
}
