//! Compressed copies of text files: brotli and gzip of assets and uploads, made once and kept in the pod's own
//! folder; or precompressed files that an image has beside an asset (`a.js.br`, `a.js.gz`, `a.js.zst`), if they are
//! not older than it.
//!
//! The first request gets the file uncompressed, at once. The copies are made meanwhile, one after the other, on
//! another thread.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use hyper::header::HeaderMap;
use tokio::sync::Semaphore;

use super::content_type;
use super::gzip_body::accepts;
use super::open::{FileRef, Opened, ServedRoots, find};
use crate::sys::file::read_at;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Brotli,
    /// Not made here: clients that accept it accept brotli as well.
    Zstandard,
    Gzip,
}

/// Smaller files fit into a packet or two anyway; larger ones would take seconds and much memory.
const SIZE_RANGE_BYTES: std::ops::RangeInclusive<u64> = 1024..=8 << 20;
/// Total size of the copies. The assets of the desk are 20 MB, and a quarter of that compressed.
const MAX_TOTAL_BYTES: u64 = 64 << 20;
/// Number of copies that are being made or cannot be made.
const MAX_ATTEMPTED_KEYS: usize = 4096;
const BROTLI_QUALITY: i32 = 7;
const BROTLI_WINDOW: i32 = 20;

impl Encoding {
    const BY_SIZE: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The extension of the file name, and of the ETag.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// Compresses bytes. None if this encoding is not made here.
    fn compress(self, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut compressed = Vec::with_capacity(bytes.len() / 3);
        match self {
            Self::Brotli => {
                brotli::CompressorWriter::new(
                    &mut compressed,
                    16 * 1024,
                    BROTLI_QUALITY as u32,
                    BROTLI_WINDOW as u32,
                )
                .write_all(bytes)?;
            }
            Self::Zstandard => return Ok(None),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(&mut compressed, flate2::Compression::new(6));
                encoder.write_all(bytes)?;
                encoder.finish()?;
            }
        }
        Ok(Some(compressed))
    }
}

#[derive(Clone, Debug)]
pub struct Variants {
    folder: PathBuf,
    roots: ServedRoots,
    stored_bytes: Arc<AtomicU64>,
    attempted: Arc<Mutex<HashSet<String>>>,
    one_at_a_time: Arc<Semaphore>,
}

impl Variants {
    pub fn new(folder: PathBuf, roots: ServedRoots) -> Self {
        Self {
            folder,
            roots,
            stored_bytes: Arc::default(),
            attempted: Arc::default(),
            one_at_a_time: Arc::new(Semaphore::new(1)),
        }
    }

    /// Returns the smallest copy that the client accepts. A missing copy is made in the background.
    pub fn choose(
        &self,
        opened: &Opened,
        file_ref: &FileRef,
        request_headers: &HeaderMap,
    ) -> Option<(Encoding, Opened)> {
        let metadata = &opened.metadata;
        if !SIZE_RANGE_BYTES.contains(&metadata.len()) || !content_type::of(file_ref.path()).compressible {
            return None;
        }
        for encoding in
            Encoding::BY_SIZE.into_iter().filter(|encoding| accepts(request_headers, encoding.name()))
        {
            // Identifies the content: a changed file has another time.
            let key = format!(
                "{:x}-{:x}-{:x}.{:x}-{:x}{}",
                metadata.dev(),
                metadata.ino(),
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.len(),
                encoding.extension()
            );
            match File::open(self.folder.join(&key)) {
                Ok(file) => {
                    let metadata = file.metadata().ok()?;
                    return Some((encoding, Opened { file: Arc::new(file), metadata }));
                }
                Err(_) => self.start_compression(key, encoding, opened, file_ref),
            }
        }
        None
    }

    fn start_compression(&self, key: String, encoding: Encoding, opened: &Opened, file_ref: &FileRef) {
        if !self.claim(&key) {
            return;
        }
        let (variants, opened, file_ref) = (self.clone(), opened.clone(), file_ref.clone());
        tokio::spawn(async move {
            let Ok(_permit) = variants.one_at_a_time.acquire().await else { return };
            let precompressed = variants.precompressed(&opened, &file_ref, encoding).await;
            let compressing = {
                let variants = variants.clone();
                move || {
                    let compressed = match precompressed {
                        Some(precompressed) => Some(all_of(&precompressed)?.into()),
                        None => encoding.compress(&all_of(&opened)?)?,
                    };
                    // A key without a useful copy stays in `attempted`, and is not tried again.
                    match compressed {
                        Some(compressed) if variants.store(&compressed, &key, opened.metadata.len())? => {
                            variants.release(&key);
                        }
                        _ => {}
                    }
                    io::Result::Ok(())
                }
            };
            if let Ok(Err(error)) = tokio::task::spawn_blocking(compressing).await {
                tracing::debug!(event = "request.compression_failed", %error, "no compressed copy of a file was made");
            }
        });
    }

    /// True if no task is compressing this key and none has failed.
    fn claim(&self, key: &str) -> bool {
        let mut attempted = self.attempted.lock().unwrap_or_else(PoisonError::into_inner);
        attempted.len() < MAX_ATTEMPTED_KEYS && attempted.insert(key.into())
    }

    fn release(&self, key: &str) {
        self.attempted.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Returns the precompressed file beside an asset. Beside an upload, a user could have put one with other
    /// content.
    async fn precompressed(&self, opened: &Opened, file_ref: &FileRef, encoding: Encoding) -> Option<Opened> {
        let FileRef::Asset(path) = file_ref else { return None };
        let mut sibling = path.clone().into_os_string();
        sibling.push(encoding.extension());
        let candidate = find(&self.roots, &FileRef::Asset(sibling.into())).await?;
        let is_current = candidate.metadata.modified().ok()? >= opened.metadata.modified().ok()?;
        is_current.then_some(candidate)
    }

    /// Stores a copy. Returns false if it saves too little or the total would be too large.
    fn store(&self, compressed: &[u8], key: &str, original_bytes: u64) -> io::Result<bool> {
        let length = compressed.len() as u64;
        let total = self.stored_bytes.fetch_add(length, Ordering::Relaxed) + length;
        if length >= original_bytes / 10 * 9 || total > MAX_TOTAL_BYTES {
            self.stored_bytes.fetch_sub(length, Ordering::Relaxed);
            return Ok(false);
        }
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(compressed)?;
        file.persist(self.folder.join(key)).map_err(|error| error.error)?;
        Ok(true)
    }
}

fn all_of(opened: &Opened) -> io::Result<BytesMut> {
    let length = usize::try_from(opened.metadata.len()).map_err(io::Error::other)?;
    let mut bytes = BytesMut::with_capacity(length);
    while bytes.len() < length {
        let (at, left) = (bytes.len() as u64, length - bytes.len());
        bytes = read_at(&opened.file, bytes, left, at)?;
        if bytes.len() as u64 == at {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(bytes)
}
