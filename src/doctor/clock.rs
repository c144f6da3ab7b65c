//! Timeouts: each check ends in time, even if a name server, a database or a network volume hangs.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::finding::Finding;
use super::id::Id;
use crate::outcome;

/// The time for one check.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// The deadline of the whole examination, and of each check in it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    end: Instant,
}

impl Clock {
    pub fn ending_at(end: Instant) -> Self {
        Self { end }
    }

    /// The deadline of a check that begins now.
    pub fn deadline(self) -> Instant {
        (Instant::now() + CHECK_TIMEOUT).min(self.end)
    }

    /// The time until the deadline of a check that begins now.
    pub fn remaining(self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Runs a check that waits for a server.
    ///
    /// # Errors
    /// The finding that the check timed out.
    pub async fn run<T>(self, id: Id, subject: &str, work: impl Future<Output = T>) -> Result<T, Finding> {
        timeout_at(self.deadline(), work).await.map_err(|_| timed_out(id, subject))
    }

    /// Runs a check of files in its own thread, which is abandoned if the volume hangs.
    ///
    /// # Errors
    /// The finding that the check timed out.
    pub async fn run_blocking<T: Send + 'static>(
        self,
        id: Id,
        subject: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Finding> {
        let work = async { tokio::task::spawn_blocking(work).await.map_err(|_| timed_out(id, subject)) };
        self.run(id, subject, work).await?
    }
}

fn timed_out(id: Id, subject: &str) -> Finding {
    let detail = format!("no answer within {} s", CHECK_TIMEOUT.as_secs());
    let hint = "check the server's log, the network, or the volume's driver";
    Finding::error(id, outcome::UNAVAILABLE, subject, detail, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_that_hangs_ends_with_the_examination() {
        let clock = Clock::ending_at(Instant::now() + Duration::from_millis(20));
        let hanging = clock.run(Id::Dns, "h", std::future::pending::<()>()).await;
        assert_eq!(hanging.unwrap_err().code, outcome::UNAVAILABLE);
        assert!(clock.remaining().is_zero());
        assert!(Clock::ending_at(Instant::now() + CHECK_TIMEOUT * 2).remaining() <= CHECK_TIMEOUT);
    }
}
