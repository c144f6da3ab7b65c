//! Our own files about a site on the shared volume: `sites/.cauldron/<site>/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};

use super::identity::{CopyMark, RestoreMark};
use crate::bench::ATTEMPT;
use crate::bench::atomic_file::{write_if_absent, write_whole};
use crate::outcome::{Fault, Result};

const COPY_MARK: &str = "copy.json";
const RESTORE_MARK: &str = "restore.json";
const INSTALLED_APPS: &str = "installed_apps";

/// The folder, known to be writable; made with the first file in it, so that a refusal leaves none.
#[derive(Clone, Debug)]
pub struct Volume {
    folder: PathBuf,
}

impl Volume {
    /// For who only looks: nothing is tried.
    pub fn to_read(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// # Errors
    /// 77 where `sites/` may not be written, 75 on a full disk.
    pub fn open(folder: PathBuf) -> Result<Self> {
        let there = folder.ancestors().find(|path| path.exists()).unwrap_or(&folder);
        tempfile::tempfile_in(there)
            .map_err(|error| Fault::file(format!("cannot write {}", there.display()), &error))?;
        Ok(Self { folder })
    }

    /// The identity of this installation, where one was made.
    pub fn known_install_id(&self) -> Result<Option<String>> {
        read_text(&self.folder.join("install_id"))
    }

    /// The identity of this installation, made where there is none.
    pub fn install_id(&self) -> Result<String> {
        let path = self.folder.join("install_id");
        if let Some(id) = self.known_install_id()? {
            return Ok(id);
        }
        let id = random_id();
        self.write_new(&path, &id, 0o644)?;
        // Another pod may have been first: what is on the volume counts.
        read_text(&path)?
            .ok_or_else(|| Fault::configuration(format!("{} vanished", path.display()), "check the volume"))
    }

    /// The id that the database has on record, where the volume has none.
    pub fn take_install_id(&self, id: &str) -> Result<()> {
        match self.known_install_id()? {
            Some(_) => Ok(()),
            None => self.write_new(&self.folder.join("install_id"), id, 0o644),
        }
    }

    /// A copy that became a site of its own.
    pub fn replace_install_id(&self, id: &str) -> Result<()> {
        self.write("install_id", id.as_bytes())
    }

    /// There while the site is a copy of another installation's.
    pub fn copy_mark(&self) -> Result<Option<CopyMark>> {
        let path = self.folder.join(COPY_MARK);
        let Some(text) = read_text(&path)? else { return Ok(None) };
        let mark = serde_json::from_str(&text).map_err(|error| {
            Fault::configuration(format!("{}: {error}", path.display()), "remove it; it is written anew")
        })?;
        Ok(Some(mark))
    }

    pub fn write_copy_mark(&self, mark: &CopyMark) -> Result<()> {
        self.write(COPY_MARK, &serde_json::to_vec_pretty(mark).expect("a mark is JSON"))
    }

    pub fn remove_copy_mark(&self) -> Result<()> {
        self.remove(COPY_MARK)
    }

    /// There from before a restore that held the site until a leader has seen the restored database. One that
    /// cannot be read counts for nothing: the site is a copy then.
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

    /// The site's database password that was made here, if it was.
    pub fn db_password(&self) -> Result<Option<SecretString>> {
        Ok(read_text(&self.folder.join("db_password"))?.map(SecretString::from))
    }

    /// Makes a password and has it safe on the volume before anybody sets it.
    pub fn make_db_password(&self) -> Result<SecretString> {
        let path = self.folder.join("db_password");
        self.write_new(&path, &random_password(), 0o600)?;
        self.db_password()?
            .ok_or_else(|| Fault::configuration(format!("{} vanished", path.display()), "check the volume"))
    }

    /// The creation that was started and not finished.
    pub fn unfinished_attempt(&self) -> Result<Option<String>> {
        read_text(&self.folder.join(ATTEMPT))
    }

    pub fn start_attempt(&self, attempt: &str) -> Result<()> {
        self.write(ATTEMPT, attempt.as_bytes())
    }

    pub fn finish_attempt(&self) -> Result<()> {
        self.remove(ATTEMPT)
    }

    /// The apps that the site has, as the last leader saw them; for pods that hold no session.
    pub fn installed_apps(&self) -> Result<Vec<String>> {
        let text = read_text(&self.installed_apps_file())?.unwrap_or_default();
        Ok(text.lines().map(str::to_string).collect())
    }

    /// Written before an app comes, and after one has gone: a pod must be able to import all of them.
    pub fn write_installed_apps(&self, apps: &[String]) -> Result<()> {
        if self.installed_apps()? == apps {
            return Ok(());
        }
        self.write(INSTALLED_APPS, apps.join("\n").as_bytes())
    }

    pub fn installed_apps_file(&self) -> PathBuf {
        self.folder.join(INSTALLED_APPS)
    }

    /// Says that the site was migrated, to pods that hold no session: each has gunicorn load the code anew.
    pub fn tell_migrated(&self, attempt: &str) -> Result<()> {
        self.write("migrated", attempt.as_bytes())
    }

    /// The last attempt of which that was said.
    pub fn migrated(&self) -> Option<String> {
        read_text(&self.folder.join("migrated")).ok().flatten()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        self.make()?;
        write_whole(&path, bytes, 0o644)
            .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Fault::file(format!("cannot remove {}", path.display()), &error))
            }
            _ => Ok(()),
        }
    }

    fn make(&self) -> Result<()> {
        fs::create_dir_all(&self.folder)
            .map_err(|error| Fault::file(format!("cannot make {}", self.folder.display()), &error))
    }

    /// Never over what is there.
    fn write_new(&self, path: &Path, text: &str, mode: u32) -> Result<()> {
        self.make()?;
        write_if_absent(path, text.as_bytes(), mode)
            .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))
    }
}

fn read_text(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_string()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::file(format!("cannot read {}", path.display()), &error)),
    }
}

/// 20 characters, enough never to meet twice.
pub fn random_id() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 20).to_ascii_lowercase()
}

/// URL-safe, so that it survives every program that puts it into a URL after all.
pub fn random_password() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}

/// Compares without regard to who could read either.
pub fn same_secret(a: &SecretString, b: &SecretString) -> bool {
    a.expose_secret() == b.expose_secret()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_made_once_stays() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path().join("s")).unwrap();
        assert_eq!(volume.install_id().unwrap(), volume.install_id().unwrap());
        let first = volume.make_db_password().unwrap();
        let second = volume.make_db_password().unwrap();
        assert!(same_secret(&first, &second));
        let mode = fs::metadata(folder.path().join("s/db_password")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_attempt_is_there_until_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path().join("s")).unwrap();
        assert_eq!(volume.unfinished_attempt().unwrap(), None);
        volume.start_attempt("a1").unwrap();
        assert_eq!(volume.unfinished_attempt().unwrap(), Some("a1".into()));
        volume.finish_attempt().unwrap();
        volume.finish_attempt().unwrap();
        assert_eq!(volume.unfinished_attempt().unwrap(), None);
    }
}
