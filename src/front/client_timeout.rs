//! The timeout of a client: it must transfer a minimum number of bytes in the time that is spent waiting for it.
//! Time spent waiting for us or for gunicorn does not count.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::bounds::{CLIENT_TIMEOUT, CLIENT_TIMEOUT_AT_STOP, SLOW_AFTER};
use super::connection_end::wait_for_stop;

/// The time spent waiting for a client since it last transferred enough bytes.
#[derive(Debug)]
pub struct ClientTimeout {
    min_bytes: u64,
    waited: Duration,
    moved_bytes: u64,
}

impl ClientTimeout {
    pub fn new(min_bytes: u64) -> Self {
        Self { min_bytes, waited: Duration::ZERO, moved_bytes: 0 }
    }

    /// Records a wait for the client, and the bytes that it transferred meanwhile.
    pub fn record(&mut self, bytes: u64, waited: Duration, is_stopping: bool) {
        self.moved_bytes += bytes;
        self.waited += waited;
        if self.moved_bytes >= self.enough_bytes(is_stopping) {
            *self = Self::new(self.min_bytes);
        }
    }

    fn enough_bytes(&self, is_stopping: bool) -> u64 {
        let share = if is_stopping { CLIENT_TIMEOUT_AT_STOP } else { CLIENT_TIMEOUT };
        self.min_bytes * share.as_secs() / CLIENT_TIMEOUT.as_secs()
    }

    /// True if the client has not transferred enough bytes in time.
    pub fn is_expired(&self, is_stopping: bool) -> bool {
        self.remaining(is_stopping).is_zero()
    }

    /// True if the client has been below the minimal rate for some seconds.
    pub fn is_slow(&self) -> bool {
        let moved = u128::from(self.moved_bytes) * CLIENT_TIMEOUT.as_millis();
        self.waited >= SLOW_AFTER && moved < u128::from(self.min_bytes) * self.waited.as_millis()
    }

    fn remaining(&self, is_stopping: bool) -> Duration {
        let limit = if is_stopping { CLIENT_TIMEOUT_AT_STOP } else { CLIENT_TIMEOUT };
        limit.saturating_sub(self.waited)
    }

    /// Waits until the client's progress has to be checked: at intervals, when its time is up, or when a stop
    /// begins.
    pub fn pause(&self, mut stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send + 'static {
        let (remaining, remaining_at_stop) = (self.remaining(false).min(SLOW_AFTER), self.remaining(true));
        async move {
            if *stop.borrow() {
                return sleep(remaining_at_stop).await;
            }
            tokio::select! {
                () = sleep(remaining) => {}
                () = wait_for_stop(&mut stop) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_slow_below_the_rate_and_not_at_once() {
        let after = |bytes, seconds| {
            let mut client_timeout = ClientTimeout::new(120);
            client_timeout.record(bytes, Duration::from_secs(seconds), false);
            client_timeout.is_slow()
        };
        assert_eq!(
            [after(0, 4), after(9, 5), after(10, 5), after(79, 40), after(80, 40)],
            [false, true, false, true, false]
        );
    }

    #[test]
    fn enough_bytes_restart_the_timeout() {
        let second = Duration::from_secs(1);
        let mut client_timeout = ClientTimeout::new(100);
        for _ in 0..20 {
            client_timeout.record(2, second, false);
        }
        assert_eq!(client_timeout.remaining(false), CLIENT_TIMEOUT - second * 20);
        assert!(client_timeout.is_expired(true) && !client_timeout.is_expired(false));
        client_timeout.record(60, second, false);
        assert_eq!(client_timeout.remaining(false), CLIENT_TIMEOUT);
        client_timeout.record(0, second, false);
        client_timeout.record(7, second, true);
        assert_eq!(client_timeout.remaining(false), CLIENT_TIMEOUT - second * 2);
        client_timeout.record(1, second, true);
        assert_eq!(client_timeout.remaining(false), CLIENT_TIMEOUT, "100 bytes a minute are 8 in 5 s");
    }
}
