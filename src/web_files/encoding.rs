//! The encodings of compressed files, and the names of these files: `desk.js.br` is beside `desk.js`.

use std::ffi::OsString;
use std::fs::Metadata;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::content_type;

/// Smaller files fit into a packet or two anyway. Larger ones are downloads, which clients resume by ranges.
const SIZE_RANGE_BYTES: RangeInclusive<u64> = 1024..=8 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Brotli,
    /// Served if an image has it, never made: clients that accept it accept brotli as well.
    Zstandard,
    Gzip,
}

impl Encoding {
    /// All encodings, those with the smallest files first.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    /// The name in Accept-Encoding and Content-Encoding.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The ending of the file name, and of the ETag.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// The path of the compressed file.
    pub fn beside(self, path: &Path) -> PathBuf {
        let mut name = OsString::from(path);
        name.push(self.extension());
        name.into()
    }
}

/// True if a file of this name and size is sent compressed.
pub fn is_worth_compressing(path: &Path, bytes: u64) -> bool {
    SIZE_RANGE_BYTES.contains(&bytes) && content_type::of(path).compressible
}

/// True if the compressed file has the content of the original. A file that is older was made from an earlier one.
pub fn is_current(compressed: &Metadata, original: &Metadata) -> bool {
    matches!((compressed.modified(), original.modified()), (Ok(made), Ok(changed)) if made >= changed)
}
