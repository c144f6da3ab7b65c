//! A digest of every file of an app that migrate reads.
//!
//! ```text
//!   files (what counts) ─▶ index (one digest a file, and the whole) ─▶ cache (on the volume, by size and time)
//! ```

pub mod cache;
mod files;
mod index;

use std::fmt::Write;
use std::io;
use std::path::Path;

use self::index::{Index, refresh};

/// Of `files`: a digest that was made by other rules counts for nothing.
pub const RULES: &str = "1:";

/// The digest for a bundle's manifest.
///
/// # Errors
/// A file that cannot be read.
pub fn baked_digest(package: &Path) -> io::Result<String> {
    let (index, _) = refresh(package, &Index::default())?;
    Ok(format!("{RULES}{}", index.whole))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
