//! A site's `site_config.json`: its database and login, and its encryption key.

mod edit;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use secrecy::SecretString;
use serde_json::Value;

pub use self::edit::{edit, ensure_encryption_key, has_encryption_key, write_login};
use crate::bench::Bench;
use crate::bench::json_file;
use crate::bench::site_login::{FIRST_MAJOR_WITH_USER, LoginKeys};
use crate::config::database::Login;
use crate::config::frappe_keys;

/// The part of site_config.json that the bootstrap reads.
#[derive(Clone, Debug, Default)]
pub struct SiteConfig {
    /// The database, as this bench's Frappe reads the file.
    pub db_name: Option<String>,
    /// The role with which this bench's Frappe logs in: `db_user` since Frappe 16, db_name before.
    pub user: Option<String>,
    /// A `db_user` other than db_name, if this bench's Frappe ignores it.
    pub ignored_user: Option<String>,
    pub db_password: Option<SecretString>,
    pub db_host: Option<String>,
    pub db_port: Option<u16>,
}

/// The state of the site's folder.
#[derive(Clone, Debug)]
pub enum SiteFolder {
    /// No folder, or an empty one: a subPath mount creates it.
    Absent,
    /// The folder exists; its configuration may be absent or half-written (Frappe's writes are
    /// not atomic).
    Present(Option<SiteConfig>),
}

/// The database and login that this bench's Frappe uses.
#[derive(Clone, Debug)]
pub struct SiteLogin {
    pub database: String,
    pub login: Login,
}

impl SiteFolder {
    /// The login; None if site_config.json is absent or lacks a part of it.
    pub fn login(&self) -> Option<SiteLogin> {
        let config = self.config()?;
        let login = Login { user: config.user.clone()?, password: Some(config.db_password.clone()?) };
        Some(SiteLogin { database: config.db_name.clone()?, login })
    }

    pub fn config(&self) -> Option<&SiteConfig> {
        match self {
            Self::Present(config) => config.as_ref(),
            Self::Absent => None,
        }
    }
}

/// Inspects a site's folder. The only reader of the site's login, whose role depends on the
/// version of Frappe in the bench.
///
/// # Errors
/// The folder cannot be read. An absent folder is no error.
pub fn inspect(bench: &Bench, site: &str) -> std::io::Result<SiteFolder> {
    let folder = bench.site(site);
    let folder = folder.as_path();
    let reads_db_user = || reads_db_user(bench);
    // A network file system's client refreshes its cache when the parent folder is read.
    if let Some(parent) = folder.parent() {
        let _ = fs::read_dir(parent).map(Iterator::count);
    }
    match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(SiteFolder::Absent),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    match is_empty(folder) {
        Ok(true) => return Ok(SiteFolder::Absent),
        Ok(false) => {}
        // A dangling link: the volume is missing, not the site.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(SiteFolder::Present(None)),
        Err(error) => return Err(error),
    }
    let config = match json_file::read_object(&folder.join("site_config.json")) {
        Ok(object) => object.ok().map(|object| read(&object, reads_db_user)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(SiteFolder::Present(config))
}

/// The login of a site.
///
/// # Errors
/// The cause, in words.
pub fn login(bench: &Bench, site: &str) -> std::result::Result<SiteLogin, String> {
    let folder = inspect(bench, site).map_err(|error| error.to_string())?;
    folder.login().ok_or_else(|| "site_config.json has no login".into())
}

/// The `db_type` of a site, which may be absent although it is `postgres`.
///
/// # Errors
/// The cause, in words.
pub fn db_type(bench: &Bench, site: &str) -> std::result::Result<Option<Value>, String> {
    let object = json_file::read_object(&bench.site(site).join("site_config.json"));
    let object = object.map_err(|error| error.to_string())?;
    Ok(object.map_err(|problem| format!("site_config.json: {problem}"))?.get("db_type").cloned())
}

/// The database that a parsed site_config.json names, as this bench's Frappe reads it.
pub fn database(bench: &Bench, object: &serde_json::Map<String, Value>) -> Option<String> {
    read(object, || reads_db_user(bench)).db_name
}

fn reads_db_user(bench: &Bench) -> bool {
    bench.frappe_major().is_none_or(|major| major >= FIRST_MAJOR_WITH_USER)
}

fn is_empty(folder: &Path) -> std::io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if !is_ignored(&entry?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The subfolder into which the contents of a folder are moved if the folder is a mount.
pub const SET_ASIDE: &str = ".cauldron-trash";

/// True for entries that do not count as contents: the root of a file system has a lost+found.
pub fn is_ignored(name: &OsStr) -> bool {
    name == "lost+found" || name == SET_ASIDE
}

fn read(value: &serde_json::Map<String, Value>, reads_db_user: impl FnOnce() -> bool) -> SiteConfig {
    let text = |key: &str| {
        value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_string)
    };
    let LoginKeys { database, user, ignored_user, password } = LoginKeys::read(value, reads_db_user);
    let number = |key: &str| value.get(key)?.as_u64().or_else(|| text(key)?.parse().ok());
    SiteConfig {
        db_name: database,
        user,
        ignored_user,
        db_password: password,
        db_host: text("db_host"),
        db_port: number("db_port").and_then(|port| u16::try_from(port).ok()),
    }
}

/// True if Frappe takes a key of the site's file for on.
pub fn is_on(folder: &Path, key: &str) -> bool {
    let config =
        json_file::read_object(&folder.join("site_config.json")).ok().and_then(std::result::Result::ok);
    config.is_some_and(|config| frappe_keys::is_on(key, config.get(key)))
}
