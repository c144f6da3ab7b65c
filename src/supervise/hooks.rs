//! Callbacks of a role around the end of its child.
//!
//! ```text
//!   stop requested ─▶ before_stop ─▶ signal ─▶ grace period ─▶ before_kill ─▶ KILL ─▶ process group is empty ─▶ ended
//!        └──────────▶ after_signal, in parallel; also after a HUP
//! ```

use std::pin::Pin;
use std::time::Duration;

use super::stop::StopReport;

/// The asynchronous part of a hook.
pub type HookFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A child that is about to be stopped.
#[derive(Clone, Copy, Debug)]
pub struct ChildStop {
    pub pid: i32,
    /// From the request to KILL.
    pub grace: Duration,
    /// True if no other child will be started after this one.
    pub is_final: bool,
}

/// The hooks; a role implements those that it needs. All run on the event loop and must not block.
pub trait Hooks: Send + Sync {
    /// Awaited between the request to stop and the signal, within the grace period.
    fn before_stop(&self, _stop: ChildStop) -> HookFuture {
        Box::pin(std::future::ready(()))
    }

    /// Runs from the signal to stop or to reload until the service has ended.
    fn after_signal(&self) -> HookFuture {
        Box::pin(std::future::ready(()))
    }

    /// Called when the grace period is over, just before the child and its group are killed.
    fn before_kill(&self, _pid: i32) {}

    /// Called when the child has ended and its process group is empty.
    fn ended(&self, _pid: i32, _report: &StopReport) {}
}

/// For a program that needs no hook.
pub struct NoHooks;

impl Hooks for NoHooks {}
