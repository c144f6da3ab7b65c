//! Makes a digest of the files of an app that migrate reads.
//!
//! ```text
//!   files (selects) ─▶ index (one digest for each file, and one of all) ─▶ cache (on the volume, by size and time)
//! ```

pub mod cache;
mod files;
mod index;

use std::fmt::Write;
use std::io;
use std::path::Path;

use self::index::{Index, refresh};

/// The version of the rules in `files`, as a prefix of digests: a digest made by other rules is ignored.
pub const RULES_VERSION: &str = "1:";

/// The digest for a bundle's manifest, with the version of the rules.
///
/// # Errors
/// A file that cannot be read.
pub fn manifest_digest(package: &Path) -> io::Result<String> {
    let (index, _) = refresh(package, &Index::default())?;
    Ok(format!("{RULES_VERSION}{}", index.whole))
}

/// Encodes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A folder with two files that migrate reads.
#[cfg(test)]
fn sample_package() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("core/doctype/user")).unwrap();
    std::fs::write(folder.path().join("hooks.py"), "app_name = 'x'").unwrap();
    std::fs::write(folder.path().join("core/doctype/user/user.json"), "{}").unwrap();
    folder
}
