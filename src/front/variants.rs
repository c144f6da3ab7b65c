//! Text files made smaller, once: brotli and gzip of assets and uploads, kept in the pod's own folder.
//!
//! The first who asks gets the file as it is, at once; the smaller ones are made meanwhile, one after
//! the other, on another thread.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use hyper::header::HeaderMap;
use tokio::sync::Semaphore;

use super::content_type;
use super::gzip_body::accepts;
use super::open::Opened;
use crate::sys::file::read_at;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Brotli,
    Gzip,
}

/// Less fits into a packet or two anyway; more would take seconds and memory to make.
const WORTH_BYTES: std::ops::RangeInclusive<u64> = 1024..=8 << 20;
/// In all. A desk's assets are 20 MB, and a quarter of that when compressed.
const MOST_BYTES: u64 = 64 << 20;
/// Names of what is being made, or cannot be.
const MOST_BUSY: usize = 4096;
const BROTLI_QUALITY: i32 = 7;
const BROTLI_WINDOW: i32 = 20;

impl Encoding {
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// Of a file's name, and of its ETag.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }

    fn compress(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut small = Vec::with_capacity(bytes.len() / 3);
        match self {
            Self::Brotli => {
                brotli::CompressorWriter::new(
                    &mut small,
                    16 * 1024,
                    BROTLI_QUALITY as u32,
                    BROTLI_WINDOW as u32,
                )
                .write_all(bytes)?;
            }
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(&mut small, flate2::Compression::new(6));
                encoder.write_all(bytes)?;
                encoder.finish()?;
            }
        }
        Ok(small)
    }
}

#[derive(Debug)]
pub struct Variants {
    folder: PathBuf,
    made_bytes: Arc<AtomicU64>,
    busy: Arc<Mutex<HashSet<String>>>,
    one_at_a_time: Arc<Semaphore>,
}

impl Variants {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            made_bytes: Arc::default(),
            busy: Arc::default(),
            one_at_a_time: Arc::new(Semaphore::new(1)),
        }
    }

    /// The smallest that is there and the client takes; asks for one to be made where there is none.
    pub fn choose(&self, opened: &Opened, name: &Path, asked: &HeaderMap) -> Option<(Encoding, Opened)> {
        let metadata = &opened.metadata;
        if !WORTH_BYTES.contains(&metadata.len()) || !content_type::of(name).compressible {
            return None;
        }
        let accepted = [Encoding::Brotli, Encoding::Gzip].into_iter().filter(|e| accepts(asked, e.name()));
        for encoding in accepted {
            // Of this very content: a file that changed has another time.
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
                Err(_) => self.make(key, encoding, opened),
            }
        }
        None
    }

    fn make(&self, key: String, encoding: Encoding, opened: &Opened) {
        {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            if busy.len() >= MOST_BUSY || !busy.insert(key.clone()) {
                return;
            }
        }
        let (opened, folder) = (opened.clone(), self.folder.clone());
        let (made_bytes, busy) = (self.made_bytes.clone(), self.busy.clone());
        let turn = self.one_at_a_time.clone();
        tokio::spawn(async move {
            let Ok(_turn) = turn.acquire_owned().await else { return };
            let making = move || {
                let made = write(&opened, encoding, &folder, &key, &made_bytes);
                // One that is no use stays in the set, and is not tried again.
                if matches!(made, Ok(true)) {
                    busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                }
                made
            };
            if let Ok(Err(error)) = tokio::task::spawn_blocking(making).await {
                tracing::debug!(%error, "no compressed copy of a file was made");
            }
        });
    }
}

/// Whether one was made.
fn write(
    opened: &Opened,
    encoding: Encoding,
    folder: &Path,
    key: &str,
    made_bytes: &AtomicU64,
) -> io::Result<bool> {
    let length = usize::try_from(opened.metadata.len()).map_err(io::Error::other)?;
    let mut bytes = BytesMut::with_capacity(length);
    while bytes.len() < length {
        let (at, left) = (bytes.len() as u64, length - bytes.len());
        read_at(&opened.file, &mut bytes, left, at)?;
        if bytes.len() as u64 == at {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let small = encoding.compress(&bytes)?;
    let total = made_bytes.fetch_add(small.len() as u64, Ordering::Relaxed) + small.len() as u64;
    if small.len() >= length / 10 * 9 || total > MOST_BYTES {
        made_bytes.fetch_sub(small.len() as u64, Ordering::Relaxed);
        return Ok(false);
    }
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&small)?;
    file.persist(folder.join(key)).map_err(|error| error.error)?;
    Ok(true)
}
