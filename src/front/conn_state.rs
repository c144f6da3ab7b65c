//! The state of a connection that its responses need.

use std::sync::Arc;

use super::metrics::Class;
use super::outflow::Outflow;
use super::parking::Activity;
use super::sendfile::FileQueue;
use super::shared::Shared;
use super::slots::Slots;

#[derive(Clone, Debug, Default)]
pub struct ConnState {
    pub activity: Arc<Activity>,
    /// Set if sendfile can be used: HTTP/1 without TLS.
    pub files: Option<FileQueue>,
    /// Set for HTTP/2.
    pub outflow: Option<Arc<Outflow>>,
    slots: Option<Slots>,
    poll_slots: Option<Slots>,
}

impl ConnState {
    pub fn for_http1() -> Self {
        Self { files: Some(FileQueue::default()), ..Self::default() }
    }

    /// The slots of which a request of this class needs one before it is processed.
    pub fn slots(&self, class: Class) -> Option<&Slots> {
        if class == Class::Socketio { self.poll_slots.as_ref() } else { self.slots.as_ref() }
    }

    pub fn for_http2(shared: &Shared) -> Self {
        Self {
            outflow: Some(Outflow::new(shared.outflow.clone())),
            slots: Some(Slots::new(shared.slots.clone())),
            poll_slots: Some(Slots::new(shared.poll_slots.clone())),
            ..Self::default()
        }
    }
}
