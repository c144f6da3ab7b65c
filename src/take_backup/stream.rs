//! Passes pg_dump's script on to restic, and counts and hashes it on the way.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

use super::copy_counter::CopyCounter;
use crate::fingerprint::hex;

/// As large as a pipe may be filled at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A script that has passed completely.
#[derive(Debug)]
pub struct Passed {
    pub bytes: u64,
    pub sha256: String,
    pub tables: BTreeMap<String, u64>,
}

/// What stopped a script.
#[derive(Debug)]
pub enum Interrupted {
    /// The writer ended before the script's last line.
    Incomplete,
    /// The reader ended.
    NoReader,
    Read(io::Error),
}

/// The end to which a script is written. While it is open, the reader does not see the end of its input.
pub struct Sink(pipe::Sender);

impl Sink {
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        pipe::Sender::from_owned_fd(fd).map(Self)
    }
}

/// Copies until the end of the script; `passed` has the number of bytes so far. The sink stays open.
///
/// # Errors
/// The first thing that stopped it.
pub async fn pass(source: OwnedFd, sink: &mut Sink, passed: &AtomicU64) -> Result<Passed, Interrupted> {
    let mut source = pipe::Receiver::from_owned_fd(source).map_err(Interrupted::Read)?;
    let (mut counter, mut hash) = (CopyCounter::default(), Sha256::new());
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = source.read(&mut chunk).await.map_err(Interrupted::Read)?;
        if length == 0 {
            break;
        }
        let bytes = &chunk[..length];
        sink.0.write_all(bytes).await.map_err(|_| Interrupted::NoReader)?;
        counter.push(bytes);
        hash.update(bytes);
        passed.fetch_add(length as u64, Ordering::Relaxed);
    }
    let tables = counter.finish().ok_or(Interrupted::Incomplete)?;
    Ok(Passed { bytes: passed.load(Ordering::Relaxed), sha256: hex(&hash.finalize()), tables })
}
