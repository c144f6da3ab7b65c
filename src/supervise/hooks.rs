//! What a role does at the moments of its child's end.
//!
//! ```text
//!   stop asked ─▶ before_stop ─▶ signal ─▶ grace ─▶ before_kill ─▶ KILL ─▶ nobody of the group is left ─▶ ended
//!        └──────▶ after_signal, beside it; after a HUP, too
//! ```

use std::pin::Pin;
use std::time::Duration;

use super::stop::StopReport;

/// Something that takes its time.
pub type Moment = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A child that is about to be told to stop.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    pub pid: i32,
    /// From the request to KILL.
    pub grace: Duration,
    /// No other child is to follow.
    pub for_good: bool,
}

/// The moments; a role has its own part in some of them. All are called on the loop and must not block.
pub trait Hooks: Send + Sync {
    /// Waited for between the request to stop and the signal, within the grace.
    fn before_stop(&self, _stop: Stop) -> Moment {
        Box::pin(std::future::ready(()))
    }

    /// Run when the child is told to stop or to reload, until the service has ended.
    fn after_signal(&self) -> Moment {
        Box::pin(std::future::ready(()))
    }

    /// The grace is over; the child and its group are whole for the last time.
    fn before_kill(&self, _pid: i32) {}

    /// The child has ended and nobody of its group is left.
    fn ended(&self, _pid: i32, _report: &StopReport) {}
}

/// A program that needs nothing of it.
pub struct NoHooks;

impl Hooks for NoHooks {}
