//! One beat for every look that a pod with nothing to do takes now and then.
//!
//! Timers that end in the same millisecond wake the event loop once. So whoever looks every few seconds waits
//! for the next multiple of its period since the start of the event loop, not for a while since its last look:
//! all of them share the wake-ups of the quickest.
//!
//! tokio keeps timers in wheels of 64 ms and 4,096 ms and wakes where a slot begins, too, to hand on what is in
//! it. A power of two, counted from the wheels' own beginning, has both at once: half as many wake-ups.

use std::sync::LazyLock;
use std::time::{self, Duration};

use tokio::time::Instant;

/// Between two beats, about two seconds; periods are multiples of it.
pub const PERIOD: Duration = Duration::from_millis(2_048);

static BEGIN: LazyLock<time::Instant> = LazyLock::new(time::Instant::now);

/// Right before the event loop is made: its wheels round up to the millisecond.
pub fn begin() {
    LazyLock::force(&BEGIN);
}

/// Ends with the next beat that is due every `period`.
pub async fn next(period: Duration) {
    let begin = Instant::from_std(*BEGIN);
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
        assert_eq!(due(ms(0), PERIOD), PERIOD);
        assert_eq!(due(ms(2_047), PERIOD), PERIOD);
        assert_eq!(due(ms(2_048), PERIOD), PERIOD * 2, "a beat that is over is not waited for again");
        assert_eq!(due(ms(3_100), PERIOD * 2), due(ms(2_700), PERIOD));
    }

    #[tokio::test(start_paused = true)]
    async fn who_looks_seldom_shares_a_wake_up() {
        let seldom = async {
            next(PERIOD * 3).await;
            Instant::now()
        };
        let often = async {
            let mut beats = Vec::new();
            for _ in 0..3 {
                next(PERIOD).await;
                beats.push(Instant::now());
                // However long a look takes.
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            beats
        };
        let (seldom, often) = tokio::join!(seldom, often);
        assert!(often.contains(&seldom), "{seldom:?} {often:?}");
    }
}
