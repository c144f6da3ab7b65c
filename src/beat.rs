//! One beat for every look that a pod with nothing to do takes now and then.
//!
//! Timers that end in the same millisecond wake the event loop once. So whoever looks every few seconds waits
//! for the next multiple of its period since the start of the process, not for a while since its last look:
//! all of them share the wake-ups of the quickest.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

/// Between two beats; periods are multiples of it.
pub const BEAT: Duration = Duration::from_secs(2);

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Ends with the next beat that is due every `period`.
pub async fn next(period: Duration) {
    let begin = *BEGIN;
    tokio::time::sleep_until(begin + due(Instant::now().saturating_duration_since(begin), period)).await;
}

/// The first multiple of `period` that is yet to come.
fn due(elapsed: Duration, period: Duration) -> Duration {
    let gone = elapsed.as_nanos() / period.as_nanos().max(1);
    period.saturating_mul(u32::try_from(gone + 1).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_several_periods_meet() {
        let ms = Duration::from_millis;
        assert_eq!(due(ms(0), BEAT), BEAT);
        assert_eq!(due(ms(1_999), BEAT), BEAT);
        assert_eq!(due(ms(2_000), BEAT), BEAT * 2, "a beat that is over is not waited for again");
        assert_eq!(due(ms(3_100), BEAT * 2), due(ms(2_700), BEAT));
    }

    #[tokio::test(start_paused = true)]
    async fn they_end_at_once() {
        let begun = Instant::now();
        let (one, other) = tokio::join!(
            async {
                next(BEAT * 3).await;
                Instant::now()
            },
            async {
                for _ in 0..3 {
                    next(BEAT).await;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Instant::now()
            }
        );
        assert_eq!(other.duration_since(one), Duration::from_millis(300));
        assert!(one.duration_since(begun) <= BEAT * 3);
    }
}
