//! A request's body, received whole before a worker of gunicorn's is asked: a slow client holds memory of
//! ours, not a thread of Frappe's. What is large goes to a file that has no name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{self, HeaderMap};
use tokio::time::timeout;

use super::answer::{Body, Content};
use super::bounds::LEAST_BROUGHT_BYTES;
use super::budget::{Charge, Kind, Place};
use super::error_page::Refusal;
use super::file_body::FileBody;
use super::metrics::LetGo;
use super::patience::Patience;
use super::shared::Shared;
use super::spool_file::{NotKept, SpoolFile};

/// Forms and API calls fit into it.
const IN_MEMORY_BYTES: usize = 64 * 1024;
/// Written at once; a thread is asked for each.
const WRITE_BYTES: usize = 256 * 1024;
/// nginx's `lingering_time` and `lingering_timeout`.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_SILENCE: Duration = Duration::from_secs(5);

/// All of it, to be sent as often as is needed.
#[derive(Clone, Debug)]
pub enum Spooled {
    Memory(Bytes),
    File(Arc<SpoolFile>, u64),
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

/// Bytes in memory that count there until nobody needs them.
struct SpillBuffer {
    bytes: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for SpillBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Receives it, up to the limit of the settings.
///
/// # Errors
/// The refusal that the client is to get.
pub async fn spool(mut body: Incoming, headers: &HeaderMap, shared: &Shared) -> Result<Spooled, Refusal> {
    let limit = shared.settings.body_limit_bytes.unwrap_or(u64::MAX);
    let is_announced = body.size_hint().lower() > limit;
    // Who asks first (Expect: 100-continue) is told before any of it is on its way.
    if is_announced && headers.contains_key(header::EXPECT) {
        return Err(Refusal::BodyTooLarge);
    }
    let spooled =
        if is_announced { Err(Refusal::BodyTooLarge) } else { receive(&mut body, limit, shared).await };
    if matches!(spooled, Err(Refusal::BodyTooLarge | Refusal::NoSpace | Refusal::Busy)) {
        tokio::spawn(timeout(LINGER, linger(body)));
    }
    spooled
}

/// A connection that is closed on unread bytes is reset, and the refusal is lost with it (RFC 9112, 9.6): a
/// browser would show no 413, only a connection that broke.
async fn linger(mut body: Incoming) {
    while let Ok(Some(Ok(_))) = timeout(LINGER_SILENCE, body.frame()).await {}
}

async fn receive(body: &mut Incoming, limit: u64, shared: &Shared) -> Result<Spooled, Refusal> {
    let mut received = 0;
    let mut buffer = BytesMut::new();
    let mut in_memory = shared.runtime.budget().charge(Kind::Request, Place::Memory);
    let mut file: Option<Arc<SpoolFile>> = None;
    let mut patience = Patience::new(LEAST_BROUGHT_BYTES);
    while let Some(frame) = next(body, &mut patience, shared).await? {
        let Ok(frame) = frame.into_data() else { continue };
        received += frame.len() as u64;
        if received > limit {
            return Err(Refusal::BodyTooLarge);
        }
        buffer.extend_from_slice(&frame);
        let is_counted = in_memory.try_set_in_memory(buffer.capacity() as u64);
        let most = if file.is_some() { WRITE_BYTES } else { IN_MEMORY_BYTES };
        if buffer.len() > most || !is_counted {
            file = Some(append(shared, file, &mut buffer).await?);
        }
        if !is_counted {
            buffer = BytesMut::new();
            in_memory.try_set_in_memory(0);
        }
    }
    if file.is_none() {
        let bytes = Bytes::from_owner(SpillBuffer { bytes: buffer.freeze(), _charge: in_memory });
        return Ok(Spooled::Memory(bytes));
    }
    Ok(Spooled::File(append(shared, file, &mut buffer).await?, received))
}

/// The next of it, none at its end.
async fn next(
    body: &mut Incoming,
    patience: &mut Patience,
    shared: &Shared,
) -> Result<Option<Frame<Bytes>>, Refusal> {
    loop {
        let since = Instant::now();
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = patience.pause(shared.stop.subscribe()) => {
                let is_stopping = shared.is_stopping();
                patience.has_moved(0, since.elapsed(), is_stopping);
                if !patience.is_over(is_stopping) {
                    continue;
                }
                shared.metrics.let_go(LetGo::SlowBody);
                return Err(Refusal::BodyTooSlow);
            }
        };
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|_| Refusal::BadRequest)?;
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        patience.has_moved(bytes, since.elapsed(), shared.is_stopping());
        return Ok(Some(frame));
    }
}

async fn append(
    shared: &Shared,
    file: Option<Arc<SpoolFile>>,
    buffer: &mut BytesMut,
) -> Result<Arc<SpoolFile>, Refusal> {
    let appended = shared.runtime.append(Kind::Request, file, std::mem::take(buffer)).await;
    let (file, mut written) = appended.map_err(|error| match error {
        NotKept::NoShare => Refusal::Busy,
        NotKept::Disk(error) => {
            tracing::warn!(%error, "a request's body cannot be kept in the runtime folder");
            Refusal::NoSpace
        }
    })?;
    written.clear();
    *buffer = written;
    Ok(file)
}
