//! What a connection's answers need of it.

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
    /// Where the kernel can send files by itself: HTTP/1 in clear.
    pub files: Option<FileQueue>,
    /// Of HTTP/2.
    pub outflow: Option<Arc<Outflow>>,
    slots: Option<Slots>,
    poll_slots: Option<Slots>,
}

impl ConnState {
    pub fn that_sends_files() -> Self {
        Self { files: Some(FileQueue::default()), ..Self::default() }
    }

    /// What a request of this class has to have before it is worked on.
    pub fn slots(&self, class: Class) -> Option<&Slots> {
        if class == Class::Socketio { self.poll_slots.as_ref() } else { self.slots.as_ref() }
    }

    pub fn of_streams(shared: &Shared) -> Self {
        Self {
            outflow: Some(Outflow::new(shared.outflow.clone())),
            slots: Some(Slots::new(shared.slots.clone())),
            poll_slots: Some(Slots::new(shared.poll_slots.clone())),
            ..Self::default()
        }
    }
}
