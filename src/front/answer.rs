//! The body type of all responses.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::bounds::STREAM_CHUNK_BYTES;
use super::exchange::Exchange;
use super::gzip_body::GzipBody;
use super::outflow::Outflow;
use super::read_ahead::ReadAhead;
use super::stream_wait::StreamWait;
use super::upstream::Reply;
use crate::static_files::file_body::FileBody;
use crate::static_files::static_file::FileContent;

pub struct Body {
    content: Content,
    /// Logged, counted and released when the last byte was sent or the client disconnected.
    exchange: Option<Exchange>,
    stream: Option<Http2Stream>,
}

/// Flow control of an HTTP/2 stream.
struct Http2Stream {
    outflow: Arc<Outflow>,
    wait: Arc<StreamWait>,
}

impl Http2Stream {
    /// Polls the body's next bytes once there is room for them in memory.
    fn poll_bytes(&self, content: &mut Content, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.wait.end_wait();
        ready!(self.outflow.poll_room(cx));
        content.poll_bytes(cx).map_ok(|bytes| {
            self.wait.begin_wait(bytes.len());
            self.outflow.count(bytes)
        })
    }
}

pub enum Content {
    Bytes(Bytes),
    File(FileBody),
    Reply(Reply),
    ReadAhead(Box<ReadAhead>),
    Gzip(Box<GzipBody>),
}

impl Body {
    pub fn new(content: Content) -> Self {
        Self { content, exchange: None, stream: None }
    }

    pub fn empty() -> Self {
        Self::new(Content::Bytes(Bytes::new()))
    }

    /// Ends the exchange when the body ends. An HTTP/2 stream is subject to flow control.
    pub fn ending(mut self, exchange: Exchange) -> Self {
        self.stream = exchange
            .http2()
            .map(|http2| Http2Stream { outflow: http2.outflow.clone(), wait: StreamWait::current() });
        if let (Content::File(file), Some(_)) = (&mut self.content, &self.stream) {
            file.set_chunk(STREAM_CHUNK_BYTES);
        }
        self.exchange = Some(exchange);
        self
    }

    pub fn into_content(self) -> Content {
        self.content
    }
}

impl From<FileContent> for Body {
    fn from(content: FileContent) -> Self {
        match content {
            FileContent::Empty => Self::empty(),
            FileContent::Plain(file) => Self::new(Content::File(file)),
            FileContent::Gzip(file) => Self::new(Content::Gzip(Box::new(GzipBody::new(Content::File(file))))),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::new(Content::Bytes(bytes))
    }
}

impl Content {
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match self {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Self::File(file) => file.poll_chunk(cx),
            Self::Reply(reply) => reply.poll_bytes(cx),
            Self::ReadAhead(ahead) => ahead.poll_bytes(cx),
            Self::Gzip(gzip) => gzip.poll_bytes(cx),
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = &mut *self;
        let polled = ready!(match &body.stream {
            Some(stream) => stream.poll_bytes(&mut body.content, cx),
            None => body.content.poll_bytes(cx),
        });
        match (&polled, &mut body.exchange) {
            (Some(Ok(bytes)), Some(exchange)) => exchange.sent_bytes += bytes.len() as u64,
            (Some(Err(error)), Some(exchange)) => tracing::warn!(
                event = "request.response_incomplete",
                request_id = exchange.id,
                %error,
                "the response ended too early; its client's connection is closed"
            ),
            _ => {}
        }
        Poll::Ready(polled.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Bytes(bytes) => bytes.is_empty(),
            Content::File(file) => file.remaining() == 0,
            Content::Reply(reply) => reply.is_end(),
            Content::ReadAhead(_) | Content::Gzip(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::File(file) => SizeHint::with_exact(file.remaining()),
            Content::Reply(reply) => reply.size_hint(),
            Content::ReadAhead(ahead) => ahead.size_hint(),
            Content::Gzip(_) => SizeHint::default(),
        }
    }
}
