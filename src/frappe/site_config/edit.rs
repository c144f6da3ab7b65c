//! Changes of site_config.json under Frappe's own lock: the encryption key, the login, single keys.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::bench::atomic_file::write_atomic;
use crate::bench::json_file;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// Writes an encryption key, if there is none, before any role serves: Frappe makes one at first use, in all processes
/// at the same time, and only the last one written can decrypt (docs/frappe-contract.md#encryption-key). A key in
/// common_site_config.json has encrypted what is saved, and becomes the site's own.
///
/// # Errors
/// 78 if `given` is not the key that the site has: its saved secrets would be unreadable.
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
    let of_bench = || key_of_bench(folder);
    let new = || URL_SAFE.encode(rand::random::<[u8; 32]>()).into();
    let key = given.cloned().or_else(of_bench).unwrap_or_else(new);
    let mut config = read_object(&path)?;
    config.insert("encryption_key".into(), key.expose_secret().into());
    write(&path, &config)?;
    drop(lock);
    Ok(())
}

/// Writes database `name` and `password` for Frappe's login; a `db_user` stays. A file that is absent or truncated is
/// created; all other keys of a valid file stay.
pub async fn write_login(folder: &Path, name: &str, password: &SecretString) -> Result<()> {
    edit(folder, |config| {
        config.insert("db_name".into(), name.into());
        config.insert("db_password".into(), password.expose_secret().into());
        config.insert("db_type".into(), "postgres".into());
    })
    .await
}

/// Changes the file under Frappe's own lock; writes it only if something changed.
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

/// Writes the file. Frappe makes it readable for all users, but it contains the database password and the key.
fn write(path: &Path, config: &serde_json::Map<String, Value>) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(config).expect("an object is JSON");
    text.push(b'\n');
    let mode = fs::metadata(path).map_or(0o640, |metadata| metadata.mode() & 0o770);
    write_atomic(path, &text, mode)
        .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))
}

/// True if the site has an encryption key.
///
/// # Errors
/// As [`ensure_encryption_key`].
pub fn has_encryption_key(folder: &Path, given: Option<&SecretString>) -> Result<bool> {
    has_key(&folder.join("site_config.json"), given)
}

/// Returns the key in common_site_config.json, which Frappe uses for a site without one.
fn key_of_bench(folder: &Path) -> Option<SecretString> {
    let common = json_file::read_common_object(&folder.parent()?.join("common_site_config.json"));
    key_in(&common.ok()?.ok()?).map(SecretString::from)
}

/// An empty key has encrypted nothing.
fn key_in(config: &serde_json::Map<String, Value>) -> Option<&str> {
    config.get("encryption_key").and_then(Value::as_str).filter(|key| !key.is_empty())
}

fn has_key(path: &Path, given: Option<&SecretString>) -> Result<bool> {
    let config = read_object(path)?;
    let Some(key) = key_in(&config) else { return Ok(false) };
    if given.is_some_and(|given| given.expose_secret() != key) {
        return Err(Fault::configuration(
            format!("ENCRYPTION_KEY is not the key in {}", path.display()),
            "set it to the site's key, or unset it: with another key the site's saved secrets cannot be read",
        )
        .named(Refusal::EncryptionKeyMismatch));
    }
    Ok(true)
}

fn read_object(path: &Path) -> Result<serde_json::Map<String, Value>> {
    json_file::read_object(path)
        .map_err(|error| Fault::file(format!("cannot read {}", path.display()), &error))?
        .map_err(|problem| {
            Fault::configuration(
                format!("{}: {problem}", path.display()),
                "fix the file by hand; it was left as it is",
            )
            .named(Refusal::ConfigNotJson)
        })
}

/// The lock that Frappe itself takes for this file, for milliseconds.
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
