//! A request's body, received whole before a worker of gunicorn's is asked: a slow client holds memory of
//! ours, not a thread of Frappe's. What is large goes to a file that has no name.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use super::answer::{Body, Content};
use super::error_page::Refusal;
use super::file_body::FileBody;

/// Forms and API calls fit into it.
const IN_MEMORY_BYTES: usize = 64 * 1024;
/// Written at once; a thread is asked for each.
const WRITE_BYTES: usize = 256 * 1024;
/// nginx's: a client that sends nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(60);

/// All of it, to be sent as often as is needed.
#[derive(Clone, Debug)]
pub enum Spooled {
    Memory(Bytes),
    File(Arc<File>, u64),
}

impl Spooled {
    pub fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }

    pub fn body(&self) -> Body {
        Body::new(match self {
            Self::Memory(bytes) => Content::Bytes(bytes.clone()),
            Self::File(file, length) => Content::File(FileBody::new(file.clone(), 0, *length)),
        })
    }
}

/// Receives it, up to `limit_bytes`.
///
/// # Errors
/// The refusal that the client is to get.
pub async fn spool(mut body: Incoming, limit_bytes: Option<u64>, folder: &Path) -> Result<Spooled, Refusal> {
    let limit = limit_bytes.unwrap_or(u64::MAX);
    // Told before it is asked to go on (Expect: 100-continue).
    if body.size_hint().lower() > limit {
        return Err(Refusal::BodyTooLarge);
    }
    let mut received = 0;
    let mut buffer = BytesMut::new();
    let mut file: Option<Arc<File>> = None;
    while let Some(frame) = timeout(SILENCE, body.frame()).await.map_err(|_| Refusal::BodyTooSlow)? {
        let Ok(frame) = frame.map_err(|_| Refusal::BadRequest)?.into_data() else { continue };
        received += frame.len() as u64;
        if received > limit {
            return Err(Refusal::BodyTooLarge);
        }
        buffer.extend_from_slice(&frame);
        let most = if file.is_some() { WRITE_BYTES } else { IN_MEMORY_BYTES };
        if buffer.len() > most {
            file = Some(append(file, &mut buffer, folder).await?);
        }
    }
    if file.is_none() {
        return Ok(Spooled::Memory(buffer.freeze()));
    }
    Ok(Spooled::File(append(file, &mut buffer, folder).await?, received))
}

async fn append(file: Option<Arc<File>>, buffer: &mut BytesMut, folder: &Path) -> Result<Arc<File>, Refusal> {
    let folder = folder.to_path_buf();
    let mut bytes = std::mem::take(buffer);
    let writing = move || {
        let file = match file {
            Some(file) => file,
            None => Arc::new(tempfile::tempfile_in(folder)?),
        };
        (&*file).write_all(&bytes)?;
        bytes.clear();
        std::io::Result::Ok((file, bytes))
    };
    let written =
        tokio::task::spawn_blocking(writing).await.unwrap_or_else(|gone| Err(std::io::Error::other(gone)));
    let (file, emptied) = written.map_err(|error| {
        tracing::warn!(%error, "a request's body cannot be kept in the runtime folder");
        Refusal::NoSpace
    })?;
    *buffer = emptied;
    Ok(file)
}
