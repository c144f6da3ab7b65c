//! Receives request bodies completely before they are sent to gunicorn: a slow client takes our memory, not a
//! thread of Frappe. Large bodies go to an unnamed file.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame};

use super::answer::{Body, Content};
use super::bounds::{MAX_REQUEST_IN_MEMORY_BYTES, MIN_REQUEST_BYTES};
use super::client_timeout::ClientTimeout;
use super::metrics::DropReason;
use super::request_body::RequestBody;
use super::shared::Shared;
use crate::buffers::budget::{Charge, Kind, Place};
use crate::buffers::keeping::keeping;
use crate::buffers::room::RoomWait;
use crate::buffers::slow_bodies::SlowBody;
use crate::buffers::spool_file::{SpoolError, SpoolFile};
use crate::logins::Examiner;
use crate::pages::error_page::RequestError;
use crate::static_files::file_body::FileBody;

/// Bytes that are written at once; each write takes a thread.
const WRITE_BYTES: usize = 256 * 1024;
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

/// Receives a body, up to the configured limit, and to what the runtime folder can ever take.
///
/// # Errors
/// The error that the client gets.
pub async fn spool(
    mut body: RequestBody,
    shared: &Shared,
    examiner: &mut Option<Examiner>,
) -> Result<Spooled, RequestError> {
    let room_bytes = shared.runtime.largest_body_bytes().max(MAX_REQUEST_IN_MEMORY_BYTES as u64);
    let limit = shared.settings.body_limit_bytes.unwrap_or(u64::MAX).min(room_bytes);
    let announced = body.size_hint().lower();
    // A client with Expect: 100-continue is refused before it sends any of the body.
    if announced > limit {
        return Err(RequestError::BodyTooLarge);
    }
    let spooled = Receiver::new(shared, announced).receive(&mut body, limit, examiner).await;
    if matches!(spooled, Err(RequestError::BodyTooSlow)) {
        body.abandon();
    }
    spooled
}

/// A body that is being received.
struct Receiver<'a> {
    shared: &'a Shared,
    /// The length that the client announced, or 0.
    announced: u64,
    buffer: BytesMut,
    in_memory: Charge,
    file: Option<Arc<SpoolFile>>,
    wait: RoomWait,
    client_timeout: ClientTimeout,
    /// Set while it is in a file and below the minimal rate.
    slow: Option<SlowBody>,
}

impl<'a> Receiver<'a> {
    fn new(shared: &'a Shared, announced: u64) -> Self {
        let in_memory = shared.runtime.budget().charge(Kind::Request, Place::Memory, 0);
        Self {
            shared,
            announced,
            buffer: BytesMut::new(),
            in_memory,
            file: None,
            wait: RoomWait::new(shared.runtime.budget().clone()),
            client_timeout: ClientTimeout::new(MIN_REQUEST_BYTES),
            slow: None,
        }
    }

    async fn receive(
        mut self,
        body: &mut RequestBody,
        limit: u64,
        examiner: &mut Option<Examiner>,
    ) -> Result<Spooled, RequestError> {
        let mut received = 0;
        while let Some(frame) = self.next_frame(body).await? {
            let Ok(frame) = frame.into_data() else { continue };
            received += frame.len() as u64;
            if received > limit {
                return Err(RequestError::BodyTooLarge);
            }
            if let Some(examiner) = examiner {
                examiner.feed(&frame);
            }
            self.buffer.extend_from_slice(&frame);
            let is_counted = self.in_memory.try_set_in_memory(self.buffer.capacity() as u64);
            let max = if self.file.is_some() { WRITE_BYTES } else { MAX_REQUEST_IN_MEMORY_BYTES };
            if self.buffer.len() > max || !is_counted {
                self.append().await?;
            }
            if !is_counted {
                self.buffer = BytesMut::new();
                self.in_memory.try_set_in_memory(0);
            }
        }
        if self.file.is_none() {
            return Ok(Spooled::Memory(keeping(self.buffer.freeze(), self.in_memory)));
        }
        Ok(Spooled::File(self.append().await?, received))
    }

    /// Writes the buffer to the file. Waits for room in the runtime folder, as long as that may take.
    async fn append(&mut self) -> Result<Arc<SpoolFile>, RequestError> {
        let (runtime, bytes) = (&self.shared.runtime, std::mem::take(&mut self.buffer).freeze());
        let file = loop {
            let released = runtime.budget().released();
            let (file, is_first) = (self.file.clone(), self.wait.is_first());
            match runtime.append(Kind::Request, file, self.announced, bytes.clone(), is_first).await {
                Ok(file) => break file,
                Err(SpoolError::NoRoom) if self.slow.is_some() => return Err(self.displaced()),
                Err(SpoolError::NoRoom) => {
                    let held_bytes = self.file.as_ref().map_or(0, |file| file.length());
                    if !self.wait.may_try_again(held_bytes, released).await {
                        runtime.budget().count_refused_request();
                        return Err(RequestError::Busy);
                    }
                }
                Err(SpoolError::Disk(error)) => {
                    runtime.budget().log_disk_error(&error);
                    return Err(RequestError::NoSpace);
                }
            }
        };
        self.wait.has_progressed();
        // Its memory is used again.
        self.buffer = bytes.try_into_mut().unwrap_or_default();
        self.buffer.clear();
        self.file = Some(file.clone());
        Ok(file)
    }

    /// The next frame, or None at the end of the body.
    async fn next_frame(&mut self, body: &mut RequestBody) -> Result<Option<Frame<Bytes>>, RequestError> {
        loop {
            let since = Instant::now();
            let frame = tokio::select! {
                biased;
                () = gives_way(&mut self.slow) => return Err(self.displaced()),
                frame = body.frame() => match frame {
                    Some(frame) => Some(frame.map_err(|_| RequestError::BadRequest)?),
                    None => return Ok(None),
                },
                () = self.client_timeout.pause(self.shared.stop.subscribe()) => None,
            };
            let is_stopping = self.shared.is_stopping();
            let data = frame.as_ref().and_then(Frame::data_ref);
            self.client_timeout.record(
                data.map_or(0, |data| data.len() as u64),
                since.elapsed(),
                is_stopping,
            );
            if frame.is_some() {
                self.note_pace();
                return Ok(frame);
            }
            if self.client_timeout.is_expired(is_stopping) {
                self.shared.metrics.count_drop(DropReason::SlowBody);
                return Err(RequestError::BodyTooSlow);
            }
            self.note_pace();
        }
    }

    fn note_pace(&mut self) {
        match &self.file {
            Some(file) if self.client_timeout.is_slow() => {
                self.slow.get_or_insert_with(|| file.mark_slow());
            }
            _ => self.slow = None,
        }
    }

    fn displaced(&self) -> RequestError {
        self.shared.metrics.count_drop(DropReason::SlowBodyAtLimit);
        RequestError::BodyTooSlow
    }
}

/// Completes when a slow body has to give way.
async fn gives_way(slow: &mut Option<SlowBody>) {
    match slow {
        Some(slow) => slow.gives_way().await,
        None => std::future::pending().await,
    }
}
