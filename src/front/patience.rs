//! How long a client is waited for: as long as it brings, or takes, enough bytes for the time that it is
//! waited for. Time in which we, or gunicorn, are what is waited for does not count.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::bounds::{LOOK_EVERY, PATIENCE, PATIENCE_AT_STOP};
use super::connection::stopped;

/// The time that a client has used since it last moved enough.
#[derive(Debug)]
pub struct Patience {
    least_bytes: u64,
    waited: Duration,
    moved_bytes: u64,
}

impl Patience {
    pub fn new(least_bytes: u64) -> Self {
        Self { least_bytes, waited: Duration::ZERO, moved_bytes: 0 }
    }

    /// It was waited for, and moved so many bytes. Others wait for a stop: any byte counts then.
    pub fn has_moved(&mut self, bytes: u64, waited: Duration, is_stopping: bool) {
        self.moved_bytes += bytes;
        self.waited += waited;
        if self.moved_bytes >= if is_stopping { 1 } else { self.least_bytes } {
            *self = Self::new(self.least_bytes);
        }
    }

    pub fn is_fresh(&self) -> bool {
        self.waited.is_zero() && self.moved_bytes == 0
    }

    /// Whether its time is over.
    pub fn is_over(&self, is_stopping: bool) -> bool {
        self.rest(is_stopping).is_zero()
    }

    fn rest(&self, is_stopping: bool) -> Duration {
        let whole = if is_stopping { PATIENCE_AT_STOP } else { PATIENCE };
        whole.saturating_sub(self.waited)
    }

    /// Ends when it is time to look what the client has moved: now and then, and when a stop or the end of its
    /// time comes.
    pub fn pause(&self, mut stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send + 'static {
        let (rest, rest_at_stop) = (self.rest(false).min(LOOK_EVERY), self.rest(true));
        async move {
            if *stop.borrow() {
                return sleep(rest_at_stop).await;
            }
            tokio::select! {
                () = sleep(rest) => {}
                () = stopped(&mut stop) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_moves_enough_begins_anew() {
        let second = Duration::from_secs(1);
        let mut patience = Patience::new(100);
        for _ in 0..20 {
            patience.has_moved(2, second, false);
        }
        assert_eq!(patience.rest(false), PATIENCE - second * 20);
        assert!(patience.is_over(true) && !patience.is_over(false));
        patience.has_moved(60, second, false);
        assert!(patience.is_fresh());
        patience.has_moved(1, second, true);
        assert!(patience.is_fresh(), "before a stop any byte counts");
    }
}
