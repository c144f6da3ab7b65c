//! Reads the JSON files that Frappe writes.
//!
//! Frappe truncates a file and then writes it (docs/frappe-contract.md#half-written-files): a reader in between gets an
//! empty or partial file. Such a file is complete a moment later, while an invalid one stays invalid. So an invalid
//! file is read again several times.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::sys::bounded_file;

const RETRY_INTERVAL: Duration = Duration::from_millis(20);
const MAX_TRIES: u32 = 10;

/// Why a file does not contain an object. serde_json's message has a position, never the text.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    #[error("invalid JSON: it begins with a byte order mark")]
    ByteOrderMark,
    #[error("not a JSON object")]
    NoObject,
    #[error("invalid JSON: {0}")]
    Json(serde_json::Error),
}

/// Reads the object in a file.
///
/// # Errors
/// The outer error: the file cannot be read. The inner one: its content stays invalid.
pub fn read_object(path: &Path) -> io::Result<Result<Map<String, Value>, Invalid>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let bytes = bounded_file::read(path)?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => return Ok(Ok(object)),
            Err(_) if bytes.starts_with("\u{feff}".as_bytes()) => return Ok(Err(Invalid::ByteOrderMark)),
            Ok(_) => return Ok(Err(Invalid::NoObject)),
            Err(error) if tries == MAX_TRIES => return Ok(Err(Invalid::Json(error))),
            // Blocking is acceptable: every reader of these files needs their content before it can continue.
            Err(_) => std::thread::sleep(RETRY_INTERVAL),
        }
    }
}

/// A file that is empty for longer than this is not being written by Frappe.
const EMPTY_FILE_AGE: Duration = Duration::from_secs(10);

/// Reads common_site_config.json. An empty file counts as `{}`: a ConfigMap that is mounted over the file leaves an
/// empty one on the volume (docs/before.md#mounted-configuration), and writing to it loses nothing.
///
/// # Errors
/// Those of [`read_object`]. A file that became empty a moment ago is still invalid: Frappe may be writing it.
pub fn read_common_object(path: &Path) -> io::Result<Result<Map<String, Value>, Invalid>> {
    let read = read_object(path)?;
    let metadata = std::fs::metadata(path)?;
    let is_old = || metadata.modified()?.elapsed().map_err(io::Error::other).map(|age| age >= EMPTY_FILE_AGE);
    if read.is_err() && metadata.len() == 0 && is_old().unwrap_or(false) {
        return Ok(Ok(Map::new()));
    }
    Ok(read)
}
