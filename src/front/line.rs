//! What a connection's answers need of it.

use std::sync::Arc;

use super::outflow::Outflow;
use super::parking::Activity;
use super::sendfile::FileQueue;

#[derive(Clone, Debug, Default)]
pub struct Line {
    pub activity: Arc<Activity>,
    /// Where the kernel can send files by itself: HTTP/1 in clear.
    pub files: Option<FileQueue>,
    /// Of HTTP/2.
    pub outflow: Option<Arc<Outflow>>,
}

impl Line {
    pub fn that_sends_files() -> Self {
        Self { files: Some(FileQueue::default()), ..Self::default() }
    }

    pub fn of_streams(outflow: Arc<Outflow>) -> Self {
        Self { outflow: Some(outflow), ..Self::default() }
    }
}
