//! No look outlasts its time, whatever hangs: a name server, a database, a network volume.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::finding::Finding;
use super::id::Id;
use crate::outcome;

/// For one look.
pub const LOOK: Duration = Duration::from_secs(5);

/// The end of the whole examination, and of each look in it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    end: Instant,
}

impl Clock {
    pub fn ending_at(end: Instant) -> Self {
        Self { end }
    }

    /// When a look that begins now has to be over.
    pub fn deadline(self) -> Instant {
        (Instant::now() + LOOK).min(self.end)
    }

    /// What is left for one that begins now.
    pub fn left(self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// A look that waits for somebody.
    ///
    /// # Errors
    /// The finding that it did not end in time.
    pub async fn ask<T>(self, id: Id, subject: &str, work: impl Future<Output = T>) -> Result<T, Finding> {
        timeout_at(self.deadline(), work).await.map_err(|_| silent(id, subject))
    }

    /// A look at files, in a thread of its own, which is left behind if the volume hangs.
    ///
    /// # Errors
    /// The finding that it did not end in time.
    pub async fn read<T: Send + 'static>(
        self,
        id: Id,
        subject: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Finding> {
        let work = async { tokio::task::spawn_blocking(work).await.map_err(|_| silent(id, subject)) };
        self.ask(id, subject, work).await?
    }
}

fn silent(id: Id, subject: &str) -> Finding {
    let detail = format!("no answer within {} s", LOOK.as_secs());
    let hint = "look at what serves it: the server's own log, the network, the volume's driver";
    Finding::error(id, outcome::UNAVAILABLE, subject, detail, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_hangs_ends_with_the_whole() {
        let clock = Clock::ending_at(Instant::now() + Duration::from_millis(20));
        let hanging = clock.ask(Id::Dns, "h", std::future::pending::<()>()).await;
        assert_eq!(hanging.unwrap_err().code, outcome::UNAVAILABLE);
        assert!(clock.left().is_zero());
        assert!(Clock::ending_at(Instant::now() + LOOK * 2).left() <= LOOK);
    }
}
