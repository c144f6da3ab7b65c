//! The hold of a site: `sites/.cauldron/<site>/hold`. Who takes the site's database away for a while
//! (`exec -- bench restore`) writes it and keeps it fresh; every pod that sees it ends its children and its
//! own sessions, and comes up anew when it is gone.
//!
//! The file stays, and is empty while nobody holds the site: a network file system remembers for a minute
//! that a file is absent, but asks the server about one that is opened.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::timing::{EXCLUSIVE_LOCK_HEARTBEAT, EXCLUSIVE_LOCK_INTERVAL, EXCLUSIVE_LOCK_STALE_AFTER};
use super::volume::random_id;
use crate::bench::Bench;
use crate::outcome::{Fault, Result};
use crate::tick;

/// Who holds a site, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub id: String,
    pub host: String,
    /// `bench restore`, say: never with its arguments, which may hold a password.
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
}

/// Where the hold of one site is.
#[derive(Clone, Debug)]
pub struct SiteHold {
    path: PathBuf,
}

impl SiteHold {
    pub fn of(bench: &Bench, site: &str) -> Self {
        Self { path: bench.cauldron_site(site).join("hold") }
    }

    /// A leader's: so that others see at once when it is written to. Without the right to write there is no harm.
    pub fn prepare(&self) {
        if let Err(error) = File::options().create(true).append(true).open(&self.path) {
            tracing::debug!(%error, "no hold can be prepared");
        }
    }

    /// Who has the site now.
    pub fn look(&self) -> Option<Holder> {
        let text = fs::read_to_string(&self.path).ok().filter(|text| !text.is_empty())?;
        let holder = serde_json::from_str(&text).ok()?;
        let age = self.age();
        if age > EXCLUSIVE_LOCK_STALE_AFTER {
            tracing::debug!(age_s = age.as_secs(), "a hold that nobody renews counts for nothing");
            return None;
        }
        Some(holder)
    }

    /// Since its last beat, on the volume's own clock where that can be asked.
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

    /// Ends when somebody takes the site.
    pub async fn taken(&self) -> Holder {
        loop {
            tick::next(EXCLUSIVE_LOCK_INTERVAL).await;
            if let Some(holder) = self.look() {
                return holder;
            }
        }
    }

    /// Takes it until the value is dropped.
    ///
    /// # Errors
    /// 75 where somebody else has it, 77 and 75 as for any file.
    pub fn take(&self, holder: &Holder) -> Result<Taken> {
        if let Some(other) = self.look() {
            return Err(has_it(&other));
        }
        let text = serde_json::to_string(holder).expect("a holder is JSON");
        let fault = |error: &io::Error| Fault::file(format!("cannot write {}", self.path.display()), error);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|error| fault(&error))?;
        }
        write(&self.path, &text).map_err(|error| fault(&error))?;
        let (path, beat) = (self.path.clone(), text);
        let beating = tokio::spawn(async move {
            loop {
                tokio::time::sleep(EXCLUSIVE_LOCK_HEARTBEAT).await;
                if let Err(error) = write(&path, &beat) {
                    tracing::warn!(%error, "the hold of the site cannot be renewed");
                }
            }
        });
        Ok(Taken { hold: self.clone(), holder: holder.clone(), beating })
    }
}

/// A hold of our own.
pub struct Taken {
    hold: SiteHold,
    holder: Holder,
    beating: tokio::task::JoinHandle<()>,
}

impl Taken {
    /// Two that write at once: the last one has it.
    ///
    /// # Errors
    /// 75 where that is not us.
    pub fn is_ours(&self) -> Result<()> {
        match self.hold.look() {
            Some(other) if other.id != self.holder.id => Err(has_it(&other)),
            _ => Ok(()),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.beating.abort();
        if self.is_ours().is_ok()
            && let Err(error) = write(&self.hold.path, "")
        {
            tracing::warn!(%error, "the hold of the site stays: the pods go on in an hour, or when it is emptied");
        }
    }
}

fn has_it(holder: &Holder) -> Fault {
    Fault::try_again(
        holder.text(),
        "wait for its end; where it was killed, empty sites/.cauldron/<site>/hold",
    )
}

/// In place: the same file, whoever has it open.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().create(true).write(true).truncate(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_has_it_until_it_ends_or_was_silent_for_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let hold = SiteHold { path: folder.path().join("s/hold") };
        assert_eq!(hold.look(), None);
        let (first, second) = (Holder::new("bench restore"), Holder::new("bench reinstall"));
        let taken = hold.take(&first).unwrap();
        hold.prepare();
        assert_eq!(hold.look(), Some(first.clone()));
        assert!(hold.take(&second).is_err());
        drop(taken);
        assert_eq!(hold.look(), None);
        std::mem::forget(hold.take(&first).unwrap());
        let file = File::options().write(true).open(&hold.path).unwrap();
        file.set_modified(SystemTime::now() - EXCLUSIVE_LOCK_STALE_AFTER - Duration::from_secs(1)).unwrap();
        assert_eq!(hold.look(), None);
        assert!(hold.take(&second).is_ok());
    }
}
