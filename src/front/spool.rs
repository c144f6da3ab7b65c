//! Receives request bodies completely before they are sent to gunicorn: a slow client takes our memory, not a
//! thread of Frappe. Large bodies go to an unnamed file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{self, HeaderMap};
use tokio::time::timeout;

use super::answer::{Body, Content};
use super::bounds::MIN_REQUEST_BYTES;
use super::budget::{Charge, Kind, Place};
use super::client_timeout::ClientTimeout;
use super::error_page::RequestError;
use super::file_body::FileBody;
use super::logins::Examiner;
use super::metrics::DropReason;
use super::shared::Shared;
use super::spool_file::{SpoolError, SpoolFile};

/// Enough for forms, API calls and photos. A file costs two copies and several threads more; the budget of all bodies in
/// memory bounds their sum.
const MAX_IN_MEMORY_BYTES: usize = 512 * 1024;
/// Bytes that are written at once; each write takes a thread.
const WRITE_BYTES: usize = 256 * 1024;
/// `lingering_time` and `lingering_timeout` of nginx.
const LINGER_TIMEOUT: Duration = Duration::from_secs(30);
const LINGER_IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// A complete body, which can be sent several times.
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

/// Bytes in memory, charged until they are dropped.
struct SpillBuffer {
    bytes: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for SpillBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Receives a body, up to the configured limit.
///
/// # Errors
/// The error that the client gets.
pub async fn spool(
    mut body: Incoming,
    headers: &HeaderMap,
    shared: &Shared,
    examiner: &mut Option<Examiner>,
) -> Result<Spooled, RequestError> {
    let limit = shared.settings.body_limit_bytes.unwrap_or(u64::MAX);
    let is_announced = body.size_hint().lower() > limit;
    // A client with Expect: 100-continue is refused before it sends any of the body.
    if is_announced && headers.contains_key(header::EXPECT) {
        return Err(RequestError::BodyTooLarge);
    }
    let spooled = if is_announced {
        Err(RequestError::BodyTooLarge)
    } else {
        receive(&mut body, limit, shared, examiner).await
    };
    if matches!(spooled, Err(RequestError::BodyTooLarge | RequestError::NoSpace | RequestError::Busy)) {
        tokio::spawn(timeout(LINGER_TIMEOUT, linger(body)));
    }
    spooled
}

/// Reads and discards the rest of a refused body. A connection that is closed with unread bytes is reset, and the
/// response is lost with it (RFC 9112, 9.6): a browser would show a broken connection instead of the 413.
async fn linger(mut body: Incoming) {
    while let Ok(Some(Ok(_))) = timeout(LINGER_IDLE_TIMEOUT, body.frame()).await {}
}

async fn receive(
    body: &mut Incoming,
    limit: u64,
    shared: &Shared,
    examiner: &mut Option<Examiner>,
) -> Result<Spooled, RequestError> {
    let mut received = 0;
    let mut buffer = BytesMut::new();
    let mut in_memory = shared.runtime.budget().charge(Kind::Request, Place::Memory);
    let mut file: Option<Arc<SpoolFile>> = None;
    let mut client_timeout = ClientTimeout::new(MIN_REQUEST_BYTES);
    while let Some(frame) = next_frame(body, &mut client_timeout, shared).await? {
        let Ok(frame) = frame.into_data() else { continue };
        received += frame.len() as u64;
        if received > limit {
            return Err(RequestError::BodyTooLarge);
        }
        if let Some(examiner) = examiner {
            examiner.feed(&frame);
        }
        buffer.extend_from_slice(&frame);
        let is_counted = in_memory.try_set_in_memory(buffer.capacity() as u64);
        let max = if file.is_some() { WRITE_BYTES } else { MAX_IN_MEMORY_BYTES };
        if buffer.len() > max || !is_counted {
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

/// The next frame, or None at the end of the body.
async fn next_frame(
    body: &mut Incoming,
    client_timeout: &mut ClientTimeout,
    shared: &Shared,
) -> Result<Option<Frame<Bytes>>, RequestError> {
    loop {
        let since = Instant::now();
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = client_timeout.pause(shared.stop.subscribe()) => {
                let is_stopping = shared.is_stopping();
                client_timeout.record(0, since.elapsed(), is_stopping);
                if !client_timeout.is_expired(is_stopping) {
                    continue;
                }
                shared.metrics.count_drop(DropReason::SlowBody);
                return Err(RequestError::BodyTooSlow);
            }
        };
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|_| RequestError::BadRequest)?;
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        client_timeout.record(bytes, since.elapsed(), shared.is_stopping());
        return Ok(Some(frame));
    }
}

async fn append(
    shared: &Shared,
    file: Option<Arc<SpoolFile>>,
    buffer: &mut BytesMut,
) -> Result<Arc<SpoolFile>, RequestError> {
    let appended = shared.runtime.append(Kind::Request, file, std::mem::take(buffer)).await;
    let (file, mut written) = appended.map_err(|error| match error {
        SpoolError::NoRoom => RequestError::Busy,
        SpoolError::Disk(error) => {
            tracing::warn!(
                event = "request.spool_failed",
                %error,
                "request body cannot be stored in the runtime folder"
            );
            RequestError::NoSpace
        }
    })?;
    written.clear();
    *buffer = written;
    Ok(file)
}
