//! Reads the JSON files that Frappe writes.
//!
//! Frappe truncates a file and then writes it (docs/frappe-contract.md#half-written-files): who reads in
//! between sees nothing or half of it. Such a file is whole a moment later, and one that is really invalid
//! stays so.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

const AGAIN: Duration = Duration::from_millis(20);
const TRIES: u32 = 10;

/// Why a file that was read gives no object. serde_json's message has a position, never the text.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    #[error("not a JSON object")]
    NoObject,
    #[error("invalid JSON: {0}")]
    Json(serde_json::Error),
}

/// The object in a file.
///
/// # Errors
/// The outer one where the file cannot be read, the inner one where what is in it stays invalid.
pub fn read_object(path: &Path) -> io::Result<Result<Map<String, Value>, Invalid>> {
    let mut tries = 0;
    loop {
        tries += 1;
        match serde_json::from_slice(&std::fs::read(path)?) {
            Ok(Value::Object(object)) => return Ok(Ok(object)),
            Ok(_) => return Ok(Err(Invalid::NoObject)),
            Err(error) if tries == TRIES => return Ok(Err(Invalid::Json(error))),
            // Nothing else goes on meanwhile: every reader of these files needs what is in them.
            Err(_) => std::thread::sleep(AGAIN),
        }
    }
}

/// For so long a file is empty only if nobody is about to fill it.
const SETTLED: Duration = Duration::from_secs(10);

/// The same of common_site_config.json, where a file without a byte in it counts as `{}`: what a ConfigMap
/// mounted over it leaves on the volume (docs/before.md#mounted-configuration) is such a file, and nothing is
/// lost by writing into it.
///
/// # Errors
/// Those of [`read_object`]; a file that was emptied just now is invalid still, Frappe may be writing it.
pub fn read_common_object(path: &Path) -> io::Result<Result<Map<String, Value>, Invalid>> {
    let read = read_object(path)?;
    let about = std::fs::metadata(path)?;
    let settled = || about.modified()?.elapsed().map_err(io::Error::other).map(|age| age >= SETTLED);
    if read.is_err() && about.len() == 0 && settled().unwrap_or(false) {
        return Ok(Ok(Map::new()));
    }
    Ok(read)
}

/// Frappe's `cint` of a value: 1, "1" and true are on.
pub fn is_on(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(on)) => *on,
        Some(Value::Number(number)) => number.as_i64() != Some(0),
        Some(Value::String(text)) => !matches!(text.as_str(), "" | "0" | "false" | "False"),
        _ => false,
    }
}
