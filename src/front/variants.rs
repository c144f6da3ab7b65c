//! Text files made smaller, once: brotli and gzip of assets and uploads, kept in the pod's own folder; or
//! what an image brings beside an asset (`a.js.br`, `a.js.gz`, `a.js.zst`), where it is not older than that.
//!
//! The first who asks gets the file as it is, at once; the smaller ones are made meanwhile, one after
//! the other, on another thread.

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
    /// Not made here: who takes it takes brotli, too.
    Zstandard,
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
    const BY_SIZE: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// Of a file's name, and of its ETag.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// None where we have no way to do it.
    fn compress(self, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
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
            Self::Zstandard => return Ok(None),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(&mut small, flate2::Compression::new(6));
                encoder.write_all(bytes)?;
                encoder.finish()?;
            }
        }
        Ok(Some(small))
    }
}

#[derive(Clone, Debug)]
pub struct Variants {
    folder: PathBuf,
    places: ServedRoots,
    made_bytes: Arc<AtomicU64>,
    busy: Arc<Mutex<HashSet<String>>>,
    one_at_a_time: Arc<Semaphore>,
}

impl Variants {
    pub fn new(folder: PathBuf, places: ServedRoots) -> Self {
        Self {
            folder,
            places,
            made_bytes: Arc::default(),
            busy: Arc::default(),
            one_at_a_time: Arc::new(Semaphore::new(1)),
        }
    }

    /// The smallest that is there and the client takes; asks for one to be made where there is none.
    pub fn choose(&self, opened: &Opened, wanted: &FileRef, asked: &HeaderMap) -> Option<(Encoding, Opened)> {
        let metadata = &opened.metadata;
        if !WORTH_BYTES.contains(&metadata.len()) || !content_type::of(wanted.path()).compressible {
            return None;
        }
        for encoding in Encoding::BY_SIZE.into_iter().filter(|encoding| accepts(asked, encoding.name())) {
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
                Err(_) => self.make(key, encoding, opened, wanted),
            }
        }
        None
    }

    fn make(&self, key: String, encoding: Encoding, opened: &Opened, wanted: &FileRef) {
        if !self.begin(&key) {
            return;
        }
        let (variants, opened, wanted) = (self.clone(), opened.clone(), wanted.clone());
        tokio::spawn(async move {
            let Ok(_turn) = variants.one_at_a_time.acquire().await else { return };
            let precompressed = variants.precompressed(&opened, &wanted, encoding).await;
            let making = {
                let variants = variants.clone();
                move || {
                    let small = match precompressed {
                        Some(precompressed) => Some(all_of(&precompressed)?.into()),
                        None => encoding.compress(&all_of(&opened)?)?,
                    };
                    // One that is no use stays among the busy, and is not tried again.
                    match small {
                        Some(small) if variants.keep(&small, &key, opened.metadata.len())? => {
                            variants.end(&key);
                        }
                        _ => {}
                    }
                    io::Result::Ok(())
                }
            };
            if let Ok(Err(error)) = tokio::task::spawn_blocking(making).await {
                tracing::debug!(%error, "no compressed copy of a file was made");
            }
        });
    }

    /// Whether nobody is at it, nor was in vain.
    fn begin(&self, key: &str) -> bool {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.len() < MOST_BUSY && busy.insert(key.into())
    }

    fn end(&self, key: &str) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// The one beside an asset. Beside an upload anybody could put one that says something else.
    async fn precompressed(&self, opened: &Opened, wanted: &FileRef, encoding: Encoding) -> Option<Opened> {
        let FileRef::Asset(path) = wanted else { return None };
        let mut beside = path.clone().into_os_string();
        beside.push(encoding.extension());
        let found = find(&self.places, &FileRef::Asset(beside.into())).await?;
        let is_of_it = found.metadata.modified().ok()? >= opened.metadata.modified().ok()?;
        is_of_it.then_some(found)
    }

    /// Whether it was worth it.
    fn keep(&self, small: &[u8], key: &str, whole_bytes: u64) -> io::Result<bool> {
        let length = small.len() as u64;
        let total = self.made_bytes.fetch_add(length, Ordering::Relaxed) + length;
        if length >= whole_bytes / 10 * 9 || total > MOST_BYTES {
            self.made_bytes.fetch_sub(length, Ordering::Relaxed);
            return Ok(false);
        }
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(small)?;
        file.persist(self.folder.join(key)).map_err(|error| error.error)?;
        Ok(true)
    }
}

fn all_of(opened: &Opened) -> io::Result<BytesMut> {
    let length = usize::try_from(opened.metadata.len()).map_err(io::Error::other)?;
    let mut bytes = BytesMut::with_capacity(length);
    while bytes.len() < length {
        let (at, left) = (bytes.len() as u64, length - bytes.len());
        read_at(&opened.file, &mut bytes, left, at)?;
        if bytes.len() as u64 == at {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(bytes)
}
