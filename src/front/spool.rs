//! A request's body, received whole before a worker of gunicorn's is asked: a slow client holds memory of
//! ours, not a thread of Frappe's. What is large goes to a file that has no name.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap};
use tokio::time::timeout;

use super::answer::{Body, Content};
use super::error_page::Refusal;
use super::file_body::FileBody;
use super::runtime::Runtime;

/// Forms and API calls fit into it.
const IN_MEMORY_BYTES: usize = 64 * 1024;
/// Written at once; a thread is asked for each.
const WRITE_BYTES: usize = 256 * 1024;
/// nginx's: a client that sends nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(60);
/// nginx's `lingering_time` and `lingering_timeout`.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_SILENCE: Duration = Duration::from_secs(5);

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
pub async fn spool(
    mut body: Incoming,
    headers: &HeaderMap,
    limit_bytes: Option<u64>,
    runtime: &Runtime,
) -> Result<Spooled, Refusal> {
    let limit = limit_bytes.unwrap_or(u64::MAX);
    let is_announced = body.size_hint().lower() > limit;
    // Who asks first (Expect: 100-continue) is told before any of it is on its way.
    if is_announced && headers.contains_key(header::EXPECT) {
        return Err(Refusal::BodyTooLarge);
    }
    let spooled =
        if is_announced { Err(Refusal::BodyTooLarge) } else { receive(&mut body, limit, runtime).await };
    if matches!(spooled, Err(Refusal::BodyTooLarge | Refusal::NoSpace)) {
        tokio::spawn(timeout(LINGER, linger(body)));
    }
    spooled
}

/// A connection that is closed on unread bytes is reset, and the refusal is lost with it (RFC 9112, 9.6): a
/// browser would show no 413, only a connection that broke.
async fn linger(mut body: Incoming) {
    while let Ok(Some(Ok(_))) = timeout(LINGER_SILENCE, body.frame()).await {}
}

async fn receive(body: &mut Incoming, limit: u64, runtime: &Runtime) -> Result<Spooled, Refusal> {
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
            file = Some(append(runtime, file, &mut buffer).await?);
        }
    }
    if file.is_none() {
        return Ok(Spooled::Memory(buffer.freeze()));
    }
    Ok(Spooled::File(append(runtime, file, &mut buffer).await?, received))
}

async fn append(
    runtime: &Runtime,
    file: Option<Arc<File>>,
    buffer: &mut BytesMut,
) -> Result<Arc<File>, Refusal> {
    let appended = runtime.append(file, std::mem::take(buffer)).await;
    let (file, mut written) = appended.map_err(|error| {
        tracing::warn!(%error, "a request's body cannot be kept in the runtime folder");
        Refusal::NoSpace
    })?;
    written.clear();
    *buffer = written;
    Ok(file)
}
