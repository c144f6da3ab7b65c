//! Our files about a site on the shared volume: `sites/.cauldron/<site>/`.

mod marks;
mod random;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

pub use self::marks::LastBackup;
pub use self::random::{random_id, random_password, same_secret};
use crate::bench::ATTEMPT;
use crate::bench::atomic_file::{write_atomic, write_if_absent};
use crate::outcome::{Fault, Result};

const INSTALLED_APPS: &str = "installed_apps";

/// The folder, which is created with its first file, so that a refused start leaves no folder.
#[derive(Clone, Debug)]
pub struct Volume {
    folder: PathBuf,
}

impl Volume {
    /// A volume for reading: whether it can be written is not checked.
    pub fn read_only(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// A volume for reading and writing, after a test that it can be written.
    ///
    /// # Errors
    /// 77 where `sites/` may not be written, 75 on a full disk.
    pub fn open(folder: PathBuf) -> Result<Self> {
        let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(&folder);
        tempfile::tempfile_in(existing)
            .map_err(|error| Fault::file(format!("cannot write {}", existing.display()), &error))?;
        Ok(Self { folder })
    }

    /// The id of this installation, if it has one.
    pub fn known_install_id(&self) -> Result<Option<String>> {
        read_text(&self.folder.join("install_id"))
    }

    /// The id of this installation, created if it is absent.
    pub fn install_id(&self) -> Result<String> {
        let path = self.folder.join("install_id");
        if let Some(id) = self.known_install_id()? {
            return Ok(id);
        }
        let id = random_id();
        self.write_new(&path, &id, 0o644)?;
        // Another pod may have written it first: the file counts.
        read_text(&path)?.ok_or_else(|| vanished(&path))
    }

    /// Writes the id that the database has on record, unless the volume has one.
    pub fn write_install_id_if_absent(&self, id: &str) -> Result<()> {
        match self.known_install_id()? {
            Some(_) => Ok(()),
            None => self.write_new(&self.folder.join("install_id"), id, 0o644),
        }
    }

    /// Writes a new id, for a copy that became an independent site.
    pub fn replace_install_id(&self, id: &str) -> Result<()> {
        self.write("install_id", id.as_bytes())
    }

    /// The site's database password, if we made one.
    pub fn db_password(&self) -> Result<Option<SecretString>> {
        Ok(read_text(&self.folder.join("db_password"))?.map(SecretString::from))
    }

    /// Makes a password, unless there is one, and stores it on the volume before it is set anywhere.
    pub fn make_db_password(&self) -> Result<SecretString> {
        let path = self.folder.join("db_password");
        self.write_new(&path, &random_password(), 0o600)?;
        self.db_password()?.ok_or_else(|| vanished(&path))
    }

    /// The attempt of a creation that did not finish.
    pub fn unfinished_attempt(&self) -> Result<Option<String>> {
        read_text(&self.folder.join(ATTEMPT))
    }

    pub fn start_attempt(&self, attempt: &str) -> Result<()> {
        self.write(ATTEMPT, attempt.as_bytes())
    }

    pub fn finish_attempt(&self) -> Result<()> {
        self.remove(ATTEMPT)
    }

    /// The site's apps, as the last leader read them; for pods without a session.
    pub fn installed_apps(&self) -> Result<Vec<String>> {
        let text = read_text(&self.installed_apps_file())?.unwrap_or_default();
        Ok(text.lines().map(str::to_string).collect())
    }

    /// Writes the site's apps: before an app is installed, and after one was removed. Pods must be able to import all.
    pub fn write_installed_apps(&self, apps: &[String]) -> Result<()> {
        if self.installed_apps()? == apps {
            return Ok(());
        }
        self.write(INSTALLED_APPS, apps.join("\n").as_bytes())
    }

    pub fn installed_apps_file(&self) -> PathBuf {
        self.folder.join(INSTALLED_APPS)
    }

    /// Publishes the attempt of a finished migration to pods without a session: their gunicorn reloads the code.
    pub fn publish_migrated(&self, attempt: &str) -> Result<()> {
        self.write("migrated", attempt.as_bytes())
    }

    /// The attempt that was published last.
    pub fn migrated(&self) -> Option<String> {
        read_text(&self.folder.join("migrated")).ok().flatten()
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<String>> {
        read_text(&self.folder.join(name))
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        self.make()?;
        write_atomic(&path, bytes, 0o644)
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
            .map_err(|error| Fault::file(format!("cannot create {}", self.folder.display()), &error))
    }

    /// Never overwrites an existing file.
    fn write_new(&self, path: &Path, text: &str, mode: u32) -> Result<()> {
        self.make()?;
        write_if_absent(path, text.as_bytes(), mode)
            .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))
    }
}

fn vanished(path: &Path) -> Fault {
    Fault::configuration(format!("{} vanished after it was written", path.display()), "check the volume")
}

fn read_text(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_string()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::file(format!("cannot read {}", path.display()), &error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn install_id_and_password_are_made_once() {
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
    fn an_attempt_is_on_record_until_it_is_finished() {
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
