//! Growing delays between tries.
//!
//! ```text
//!   first first … first  first·growth  first·growth² …  limit limit …
//!   └──── steady ─────┘
//! ```
//!
//! Polling within this container uses the exact delays ([`Delays::next_delay`]). Requests to a server that many pods
//! use have jitter ([`Delays::next_jittered`]).

use std::time::Duration;

/// A delay that grows to a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    growth: f64,
    /// How long the delay stays at `first`.
    steady: Duration,
}

impl Backoff {
    /// Each delay is twice the previous one. In a constant, a first delay of zero or a limit below it does not compile.
    pub const fn doubling(first: Duration, limit: Duration) -> Self {
        assert!(!first.is_zero(), "a first delay of zero would busy-wait");
        assert!(first.as_nanos() <= limit.as_nanos(), "the limit is below the first delay");
        Self { first, limit, growth: 2.0, steady: Duration::ZERO }
    }

    /// Sets the factor between two delays, which must be at least 1.
    pub const fn growing_by(self, growth: f64) -> Self {
        assert!(growth >= 1.0 && growth.is_finite(), "the growth must be at least 1");
        Self { growth, ..self }
    }

    /// Sets how long the delay stays at the first one before it grows.
    pub const fn steady_for(self, steady: Duration) -> Self {
        Self { steady, ..self }
    }

    pub fn delays(self) -> Delays {
        Delays { backoff: self, steady_left: self.steady, next: self.first }
    }

    /// Returns the delay after `tries` tries, for callers that store only their number.
    pub fn after(self, tries: u32) -> Duration {
        let mut delays = self.delays();
        // The limit is reached long before that.
        for _ in 0..tries.min(1_000) {
            delays.next_delay();
        }
        delays.next_delay()
    }
}

/// The delays of one series of tries.
#[derive(Clone, Debug)]
pub struct Delays {
    backoff: Backoff,
    steady_left: Duration,
    next: Duration,
}

impl Delays {
    /// Starts again with the first delay, after a change that makes it likely that the next try succeeds.
    pub fn reset(&mut self) {
        *self = self.backoff.delays();
    }

    /// Lets the delay grow from now on, because the server is up and refuses: only an operator can change that.
    pub fn end_steady(&mut self) {
        self.steady_left = Duration::ZERO;
    }

    /// Returns the next delay.
    pub fn next_delay(&mut self) -> Duration {
        self.next_jittered(0.0)
    }

    /// Returns the next delay, shortened by up to a half so that pods that started together spread out. `random` is
    /// from 0 to 1.
    pub fn next_jittered(&mut self, random: f64) -> Duration {
        let delay = self.next.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0);
        if self.steady_left.is_zero() {
            self.next = self.next.mul_f64(self.backoff.growth).min(self.backoff.limit);
        } else {
            self.steady_left = self.steady_left.saturating_sub(delay);
        }
        delay
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn any_backoff() -> impl Strategy<Value = Backoff> {
        (1u64..1_000, 0u64..10_000, 1.0f64..4.0, 0u64..1_000).prop_map(|(first, more, growth, steady)| {
            Backoff::doubling(ms(first), ms(first + more)).growing_by(growth).steady_for(ms(steady))
        })
    }

    proptest! {
        #[test]
        fn every_delay_is_within_half_the_first_and_the_limit(
            backoff in any_backoff(),
            random in proptest::collection::vec(0.0f64..=1.0, 1..300),
        ) {
            let mut delays = backoff.delays();
            for r in random {
                let delay = delays.next_jittered(r);
                prop_assert!(delay >= backoff.first / 2 && delay <= backoff.limit, "{delay:?}");
            }
        }

        #[test]
        fn without_jitter_it_never_shrinks_and_reaches_the_limit(backoff in any_backoff()) {
            let mut delays = backoff.delays();
            let series: Vec<Duration> = (0..20_000).map(|_| delays.next_delay()).collect();
            prop_assert!(series.windows(2).all(|pair| pair[0] <= pair[1]));
            let steady = backoff.steady.div_duration_f64(backoff.first) as usize;
            prop_assert!(series[..steady].iter().all(|delay| *delay == backoff.first));
            prop_assert!(backoff.growth < 1.001 || series[19_999] == backoff.limit);
        }

        #[test]
        fn after_a_reset_it_is_like_new(backoff in any_backoff(), tries in 0usize..200) {
            let mut delays = backoff.delays();
            delays.end_steady();
            for _ in 0..tries {
                delays.next_jittered(0.5);
            }
            delays.reset();
            let mut new = backoff.delays();
            prop_assert!((0..200).all(|_| delays.next_delay() == new.next_delay()));
        }
    }

    #[test]
    fn local_polling_doubles_exactly() {
        let poll = Backoff::doubling(ms(1), ms(50));
        let mut delays = poll.delays();
        let series: Vec<Duration> = (0..8).map(|_| delays.next_delay()).collect();
        assert_eq!(series, [1, 2, 4, 8, 16, 32, 50, 50].map(ms));
        assert_eq!([0, 1, 5, 6, u32::MAX].map(|tries| poll.after(tries)), [1, 2, 32, 50, 50].map(ms));
    }

    #[test]
    fn invalid_values_are_refused() {
        let refused = |make: fn() -> Backoff| std::panic::catch_unwind(make).is_err();
        assert!(refused(|| Backoff::doubling(ms(0), ms(1))));
        assert!(refused(|| Backoff::doubling(ms(2), ms(1))));
        assert!(refused(|| Backoff::doubling(ms(1), ms(2)).growing_by(0.5)));
        assert!(refused(|| Backoff::doubling(ms(1), ms(2)).growing_by(f64::NAN)));
    }
}
