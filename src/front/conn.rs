//! The state of a client connection that its requests and responses share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::connections::Permit;
use super::metrics::Class;
use super::outflow::Outflow;
use super::shared::Shared;
use super::slots::Slots;

#[derive(Debug, Default)]
pub struct Conn {
    active: AtomicUsize,
    begun: AtomicU64,
    /// Set by the first HTTP/2 request.
    http2: OnceLock<Http2>,
    /// Also held by a WebSocket, which outlives its HTTP connection.
    _permit: Option<Permit>,
}

/// The shares of an HTTP/2 connection, which may send a hundred requests at once.
#[derive(Debug)]
pub struct Http2 {
    pub outflow: Arc<Outflow>,
    slots: Slots,
    poll_slots: Slots,
}

impl Http2 {
    /// The slots of which a request of this class needs one before it is processed.
    pub fn slots(&self, class: Class) -> &Slots {
        if class == Class::Socketio { &self.poll_slots } else { &self.slots }
    }
}

/// A request in progress, until it is dropped.
#[derive(Debug)]
pub struct ActiveRequest(Arc<Conn>);

impl Conn {
    pub fn new(permit: Option<Permit>) -> Arc<Self> {
        Arc::new(Self { _permit: permit, ..Self::default() })
    }

    pub fn begin_request(self: &Arc<Self>) -> ActiveRequest {
        self.active.fetch_add(1, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        ActiveRequest(self.clone())
    }

    pub fn activity(&self) -> Activity {
        Activity { active: self.active.load(Relaxed), begun: self.begun.load(Relaxed) }
    }
}

/// The requests in progress, and those that have begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    active: usize,
    begun: u64,
}

impl Activity {
    pub fn is_idle(self) -> bool {
        self.active == 0
    }

    /// True if there was no request yet.
    pub fn is_unused(self) -> bool {
        self.begun == 0
    }
}

impl ActiveRequest {
    /// The connection, for a WebSocket.
    pub fn connection(&self) -> Arc<Conn> {
        self.0.clone()
    }

    /// The shares of the connection, if it is an HTTP/2 connection.
    pub fn http2(&self, version: hyper::Version, shared: &Shared) -> Option<&Http2> {
        let create = || Http2 {
            outflow: Outflow::new(shared.outflow.clone()),
            slots: Slots::new(shared.slots.streams.clone()),
            poll_slots: Slots::new(shared.slots.live_events.clone()),
        };
        (version == hyper::Version::HTTP_2).then(|| self.0.http2.get_or_init(create))
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}
