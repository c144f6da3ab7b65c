//! Shared wake-ups for the periodic checks of an idle pod.
//!
//! Timers that end in the same millisecond wake the event loop once. So a periodic check waits for the next multiple of
//! its period since the start of the event loop, not for a time since its last run: all checks share the wake-ups of
//! the most frequent one.
//!
//! tokio keeps timers in wheels of 64 ms and 4,096 ms, and also wakes up at the start of a slot to move its timers.
//! With a period that is a power of two, counted from the start of the wheels, both coincide: half as many wake-ups.

use std::sync::LazyLock;
use std::time::{self, Duration};

use tokio::time::Instant;

/// The interval between two ticks, about two seconds. Periods are multiples of it.
pub const PERIOD: Duration = Duration::from_millis(2_048);

static START: LazyLock<time::Instant> = LazyLock::new(time::Instant::now);

/// Sets the start of the ticks. Called right before the event loop is made, since its wheels round up to the
/// millisecond.
pub fn begin() {
    LazyLock::force(&START);
}

/// Waits for the next tick of `period`.
pub async fn next(period: Duration) {
    let start = Instant::from_std(*START);
    tokio::time::sleep_until(start + next_due(Instant::now().saturating_duration_since(start), period)).await;
}

/// Returns the first multiple of `period` after `elapsed`.
fn next_due(elapsed: Duration, period: Duration) -> Duration {
    let passed = elapsed.as_nanos() / period.as_nanos().max(1);
    period.saturating_mul(u32::try_from(passed + 1).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_periods_share_ticks() {
        let ms = Duration::from_millis;
        assert_eq!(next_due(ms(0), PERIOD), PERIOD);
        assert_eq!(next_due(ms(2_047), PERIOD), PERIOD);
        assert_eq!(next_due(ms(2_048), PERIOD), PERIOD * 2, "a tick that has passed is not waited for again");
        assert_eq!(next_due(ms(3_100), PERIOD * 2), next_due(ms(2_700), PERIOD));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rare_check_shares_a_wake_up_with_a_frequent_one() {
        let rare = async {
            next(PERIOD * 3).await;
            Instant::now()
        };
        let frequent = async {
            let mut ticks = Vec::new();
            for _ in 0..3 {
                next(PERIOD).await;
                ticks.push(Instant::now());
                // The check itself takes a while.
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            ticks
        };
        let (rare, frequent) = tokio::join!(rare, frequent);
        assert!(frequent.contains(&rare), "{rare:?} {frequent:?}");
    }
}
