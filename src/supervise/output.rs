//! Reads the output of children line by line without blocking (docs/hazards.md#held-output-pipe).
//!
//! The exit of a child never depends on this: a grandchild may keep the pipe open for hours.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use super::lines::LineSplitter;

/// An output stream of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

/// One line of a child's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLine<'a> {
    pub stream: Stream,
    pub pid: i32,
    /// The bytes without the line end; not always UTF-8.
    pub text: &'a [u8],
    /// Progress that was redrawn with CR and will be redrawn again: useful for a progress display and
    /// as a sign of life, noise in a log.
    pub redrawn: bool,
}

/// Called with every line, on the event loop: it must not block.
pub type LineHandler = Arc<dyn Fn(OutputLine<'_>) + Send + Sync>;

/// Reads one stream until every process has closed it.
pub(super) async fn read_lines(stream: Stream, pid: i32, pipe: OwnedFd, handler: LineHandler) {
    let Ok(mut pipe) = pipe::Receiver::from_owned_fd(pipe) else { return };
    let mut splitter = LineSplitter::default();
    let mut chunk = vec![0; 16 * 1024];
    let mut emit = |text: &[u8], redrawn| handler(OutputLine { stream, pid, text, redrawn });
    loop {
        match pipe.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(length) => splitter.push(&chunk[..length], &mut emit),
        }
    }
    splitter.finish(&mut emit);
}
