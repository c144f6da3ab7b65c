//! The body of a request. What a refused request still sends is read and discarded: a connection that is closed with
//! unread bytes is reset, and the response may be lost with it (RFC 9112, 9.6). A client would see a broken connection
//! instead of our 413 or status page.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// `lingering_time` and `lingering_timeout` of nginx.
const LINGER_TIMEOUT: Duration = Duration::from_secs(30);
const LINGER_IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// None for our own probe, and once the rest is not wanted.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Option<Incoming>,
    /// True while the client waits for `100 Continue`, which the first read sends.
    is_announced: bool,
}

impl RequestBody {
    /// Takes the body of a client's request.
    pub fn of(request: Request<Incoming>) -> Request<Self> {
        let is_announced = request.headers().contains_key(header::EXPECT);
        request.map(|incoming| Self { incoming: Some(incoming), is_announced })
    }

    pub fn empty() -> Self {
        Self { incoming: None, is_announced: false }
    }

    /// Closes the connection with whatever the client still sends: it was too slow.
    pub fn abandon(&mut self) {
        self.incoming = None;
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_announced = false;
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let rest = self.incoming.take().filter(|rest| !self.is_announced && !rest.is_end_stream());
        if let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) {
            runtime.spawn(timeout(LINGER_TIMEOUT, discard(rest)));
        }
    }
}

async fn discard(mut rest: Incoming) {
    while let Ok(Some(Ok(_))) = timeout(LINGER_IDLE_TIMEOUT, rest.frame()).await {}
}
