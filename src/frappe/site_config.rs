//! A site's `site_config.json`: what it says of its database, and its encryption key.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::bench::Bench;
use crate::bench::atomic_file::write_whole;
use crate::bench::json_file;
use crate::config::database::Login;
use crate::config::frappe_environment::READS_DB_USER;
use crate::outcome::{Fault, Result};

/// The part of site_config.json that the bootstrap looks at.
#[derive(Clone, Debug, Default)]
pub struct SiteConfig {
    /// The database, as Frappe of this bench reads the file.
    pub db_name: Option<String>,
    /// The role that Frappe of this bench logs in as: `db_user` from Frappe 16 on, db_name before.
    pub user: Option<String>,
    /// A `db_user` other than db_name, in a file for a Frappe that does not read it.
    pub ignored_user: Option<String>,
    pub db_password: Option<SecretString>,
    pub db_host: Option<String>,
    pub db_port: Option<u16>,
}

/// What a look at the site's folder found.
#[derive(Clone, Debug)]
pub enum SiteFolder {
    /// Nothing is there, or an empty folder: a subPath mount makes one before anybody looks.
    Absent,
    /// The folder is there; its configuration may be absent or half-written (Frappe's writes are
    /// not atomic).
    There(Option<SiteConfig>),
}

/// What Frappe of this bench logs in with.
#[derive(Clone, Debug)]
pub struct SiteLogin {
    pub database: String,
    pub login: Login,
}

impl SiteFolder {
    /// None where site_config.json is absent or gives no whole login.
    pub fn login(&self) -> Option<SiteLogin> {
        let config = self.config()?;
        let login = Login { user: config.user.clone()?, password: Some(config.db_password.clone()?) };
        Some(SiteLogin { database: config.db_name.clone()?, login })
    }

    pub fn config(&self) -> Option<&SiteConfig> {
        match self {
            Self::There(config) => config.as_ref(),
            Self::Absent => None,
        }
    }
}

/// Looks at a site's folder. The one reader of the site's login: which role it is depends on the
/// version of Frappe in the bench.
///
/// # Errors
/// Only where the folder cannot be looked at; that it is absent is an answer.
pub fn look(bench: &Bench, site: &str) -> std::io::Result<SiteFolder> {
    let folder = bench.site(site);
    let folder = folder.as_path();
    let reads_db_user = || bench.frappe_major().is_none_or(|major| major >= READS_DB_USER);
    // A network file system's client asks its server only when the folder above is read.
    if let Some(above) = folder.parent() {
        let _ = fs::read_dir(above).map(Iterator::count);
    }
    match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(SiteFolder::Absent),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    match is_empty(folder) {
        Ok(true) => return Ok(SiteFolder::Absent),
        Ok(false) => {}
        // A link whose end is not there: a volume is missing, not a site.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(SiteFolder::There(None)),
        Err(error) => return Err(error),
    }
    let config = match json_file::read_object(&folder.join("site_config.json")) {
        Ok(object) => object.ok().map(|object| read(&object, reads_db_user)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(SiteFolder::There(config))
}

/// The login of a site.
///
/// # Errors
/// Why there is none, in words.
pub fn login(bench: &Bench, site: &str) -> std::result::Result<SiteLogin, String> {
    let folder = look(bench, site).map_err(|error| error.to_string())?;
    folder.login().ok_or_else(|| "site_config.json has no login".into())
}

/// Which kind of database a site is in; `postgres` is not always said.
///
/// # Errors
/// Why the file cannot be read, in words.
pub fn db_type(bench: &Bench, site: &str) -> std::result::Result<Option<Value>, String> {
    let object = json_file::read_object(&bench.site(site).join("site_config.json"));
    let object = object.map_err(|error| error.to_string())?;
    Ok(object.map_err(|why| format!("site_config.json: {why}"))?.get("db_type").cloned())
}

fn is_empty(folder: &Path) -> std::io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if !is_no_content(&entry?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where the contents of a folder that is a mount are set aside.
pub const SET_ASIDE: &str = ".cauldron-trash";

/// A file system of its own has a lost+found.
pub fn is_no_content(name: &OsStr) -> bool {
    name == "lost+found" || name == SET_ASIDE
}

fn read(value: &serde_json::Map<String, Value>, reads_db_user: impl FnOnce() -> bool) -> SiteConfig {
    let text = |key: &str| {
        value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_string)
    };
    let (name, user) = (text("db_name"), text("db_user"));
    // The version is asked for only where it decides: it is read from Frappe's source.
    let (db_name, user, ignored_user) = match (name, user) {
        (name, None) => (name.clone(), name, None),
        (Some(name), Some(user)) if name == user => (Some(name.clone()), Some(name), None),
        (name, Some(user)) if reads_db_user() => (name.or_else(|| Some(user.clone())), Some(user), None),
        (name, user) => (name.clone(), name, user),
    };
    let number = |key: &str| value.get(key)?.as_u64().or_else(|| text(key)?.parse().ok());
    SiteConfig {
        db_name,
        user,
        ignored_user,
        db_password: text("db_password").map(SecretString::from),
        db_host: text("db_host"),
        db_port: number("db_port").and_then(|port| u16::try_from(port).ok()),
    }
}

/// Has a key in place before any role serves: Frappe makes one at first use, in every process at
/// once, and what the losers encrypted is lost (docs/frappe-contract.md#encryption-key).
///
/// # Errors
/// 78 where `given` is not the key that the site has: its saved secrets would be unreadable.
pub async fn ensure_encryption_key(folder: &Path, given: Option<&SecretString>) -> Result<()> {
    let path = folder.join("site_config.json");
    let fault = |doing: &str, error: &std::io::Error| {
        Fault::file(format!("cannot {doing} {}", path.display()), error)
    };
    if has_key(&path, given)? {
        return Ok(());
    }
    let lock = frappe_lock(folder).await.map_err(|error| fault("lock", &error))?;
    if has_key(&path, given)? {
        return Ok(());
    }
    let key = given.cloned().unwrap_or_else(|| URL_SAFE.encode(rand::random::<[u8; 32]>()).into());
    let mut config = read_object(&path)?;
    config.insert("encryption_key".into(), key.expose_secret().into());
    write(&path, &config)?;
    drop(lock);
    Ok(())
}

/// Has Frappe log in to the database `name` with `password` from now on; a `db_user` stays. A file that is absent or cut off is made
/// anew; of one that is whole everything else stays.
pub async fn write_login(folder: &Path, name: &str, password: &SecretString) -> Result<()> {
    edit(folder, |config| {
        config.insert("db_name".into(), name.into());
        config.insert("db_password".into(), password.expose_secret().into());
        config.insert("db_type".into(), "postgres".into());
    })
    .await
}

/// Changes the file under Frappe's own lock, if there is anything to change.
pub async fn edit(folder: &Path, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Result<()> {
    let path = folder.join("site_config.json");
    let lock = frappe_lock(folder)
        .await
        .map_err(|error| Fault::file(format!("cannot lock {}", path.display()), &error))?;
    let before = json_file::read_object(&path).ok().and_then(std::result::Result::ok);
    let mut config = before.clone().unwrap_or_default();
    change(&mut config);
    if before.as_ref() != Some(&config) {
        write(&path, &config)?;
    }
    drop(lock);
    Ok(())
}

/// Frappe's `cint` of a key: 1, "1" and true are on.
pub fn is_on(folder: &Path, key: &str) -> bool {
    let config =
        json_file::read_object(&folder.join("site_config.json")).ok().and_then(std::result::Result::ok);
    config.is_some_and(|config| json_file::is_on(config.get(key)))
}

/// Frappe makes the file for everybody to read; it holds the database's password and the key.
fn write(path: &Path, config: &serde_json::Map<String, Value>) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(config).expect("an object is JSON");
    text.push(b'\n');
    let mode = fs::metadata(path).map_or(0o640, |metadata| metadata.mode() & 0o770);
    write_whole(path, &text, mode)
        .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))
}

fn has_key(path: &Path, given: Option<&SecretString>) -> Result<bool> {
    let config = read_object(path)?;
    let Some(key) = config.get("encryption_key").and_then(Value::as_str) else { return Ok(false) };
    if given.is_some_and(|given| given.expose_secret() != key) {
        return Err(Fault::configuration(
            format!("ENCRYPTION_KEY is not the key in {}", path.display()),
            "give the site's own key, or none: with another one its saved secrets cannot be read",
        ));
    }
    Ok(true)
}

fn read_object(path: &Path) -> Result<serde_json::Map<String, Value>> {
    json_file::read_object(path)
        .map_err(|error| Fault::file(format!("cannot read {}", path.display()), &error))?
        .map_err(|why| {
            Fault::configuration(
                format!("{}: {why}", path.display()),
                "mend it by hand; it was left as it is",
            )
        })
}

/// The lock that Frappe itself takes for this file. It holds it for milliseconds.
async fn frappe_lock(folder: &Path) -> std::io::Result<File> {
    let locks = folder.join("locks");
    fs::create_dir_all(&locks)?;
    let file =
        File::options().create(true).truncate(false).write(true).open(locks.join("site_config.lock"))?;
    for _ in 0..3_000 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        "another process has held locks/site_config.lock for 30 s",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Database, user and ignored user for a Frappe that reads `db_user`, or does not.
    fn login(file: &str, reads_db_user: bool) -> (Option<String>, Option<String>, Option<String>) {
        let file = serde_json::from_str(file).unwrap();
        let SiteConfig { db_name, user, ignored_user, .. } = read(&file, || reads_db_user);
        (db_name, user, ignored_user)
    }

    #[test]
    fn the_user_is_the_one_that_this_frappe_logs_in_as() {
        let read = |name: &str, user: &str, ignored: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_string());
            (some(name), some(user), some(ignored))
        };
        for (file, v15, v16) in [
            (r#"{"db_name": "n"}"#, read("n", "n", ""), read("n", "n", "")),
            (r#"{"db_name": "n", "db_user": "n"}"#, read("n", "n", ""), read("n", "n", "")),
            (r#"{"db_name": "n", "db_user": ""}"#, read("n", "n", ""), read("n", "n", "")),
            (r#"{"db_name": "n", "db_user": "u"}"#, read("n", "n", "u"), read("n", "u", "")),
            (r#"{"db_user": "u"}"#, read("", "", "u"), read("u", "u", "")),
            ("{}", read("", "", ""), read("", "", "")),
        ] {
            assert_eq!((login(file, false), login(file, true)), (v15, v16), "{file}");
        }
    }
}
