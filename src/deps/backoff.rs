//! How long to wait between two tries of the same dependency.

use std::time::Duration;

/// A delay that stays short while a server may come up at any moment, then grows to a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    growth: f64,
    /// For so long it stays at the first delay: most servers that are late are late by seconds, and
    /// half of what lies between two tries is added to every start.
    steady: Duration,
}

impl Backoff {
    /// A name that does not resolve, or a server that answers and does not serve yet: each try
    /// costs somebody else a question or a process.
    pub const ANSWERED: Self = Self {
        first: Duration::from_millis(25),
        limit: Duration::from_millis(500),
        growth: 1.5,
        steady: Duration::from_secs(2),
    };

    /// A port that nobody listens on. A refusal costs a tenth of a millisecond and no process, so
    /// it is asked more often: with the login after it, 25 ms apart would be 20 ms late.
    pub const REFUSED: Self =
        Self { first: Duration::from_millis(10), steady: Duration::from_secs(5), ..Self::ANSWERED };

    /// A repository that does not answer: whoever serves it has to come back first.
    pub const REPOSITORY: Self = Self {
        first: Duration::from_millis(500),
        limit: Duration::from_secs(10),
        growth: 2.0,
        steady: Duration::ZERO,
    };

    /// # Errors
    /// A delay of zero, a limit below the first delay, or a growth that shrinks.
    #[cfg(test)]
    pub fn new(
        first: Duration,
        limit: Duration,
        growth: f64,
        steady: Duration,
    ) -> Result<Self, &'static str> {
        if first.is_zero() {
            return Err("a first delay of zero spins");
        }
        if limit < first {
            return Err("the limit is below the first delay");
        }
        if !growth.is_finite() || growth < 1.0 {
            return Err("a growth below 1 shrinks");
        }
        Ok(Self { first, limit, growth, steady })
    }

    pub fn delays(self) -> Delays {
        Delays { backoff: self, steady_left: self.steady, next: self.first }
    }
}

/// The delays of one dependency.
#[derive(Clone, Debug)]
pub struct Delays {
    backoff: Backoff,
    steady_left: Duration,
    next: Duration,
}

impl Delays {
    /// From the beginning: the server came a step further, so it may be there soon.
    pub fn start_over(&mut self) {
        *self = self.backoff.delays();
    }

    /// Grows from now on: the server is up and says no, which takes somebody to change.
    pub fn stop_hurrying(&mut self) {
        self.steady_left = Duration::ZERO;
    }

    /// The next delay, shortened by up to a half so that pods that started together spread out;
    /// `random` is from 0 to 1.
    pub fn next(&mut self, random: f64) -> Duration {
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

    fn any_backoff() -> impl Strategy<Value = Backoff> {
        (1u64..1_000, 0u64..10_000, 1.0f64..4.0, 0u64..1_000).prop_map(|(first, more, growth, steady)| {
            let first = Duration::from_millis(first);
            Backoff::new(first, first + Duration::from_millis(more), growth, Duration::from_millis(steady))
                .unwrap()
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
                let delay = delays.next(r);
                prop_assert!(delay >= backoff.first / 2 && delay <= backoff.limit, "{delay:?}");
            }
        }

        #[test]
        fn without_jitter_it_never_shrinks_and_reaches_the_limit(backoff in any_backoff()) {
            let mut delays = backoff.delays();
            let series: Vec<Duration> = (0..20_000).map(|_| delays.next(0.0)).collect();
            prop_assert!(series.windows(2).all(|pair| pair[0] <= pair[1]));
            let steady = backoff.steady.div_duration_f64(backoff.first) as usize;
            prop_assert!(series[..steady].iter().all(|delay| *delay == backoff.first));
            prop_assert!(backoff.growth < 1.001 || series[19_999] == backoff.limit);
        }

        #[test]
        fn started_over_it_is_as_new(backoff in any_backoff(), tries in 0usize..200) {
            let mut delays = backoff.delays();
            delays.stop_hurrying();
            for _ in 0..tries {
                delays.next(0.5);
            }
            delays.start_over();
            let mut new = backoff.delays();
            prop_assert!((0..200).all(|_| delays.next(0.0) == new.next(0.0)));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let ms = Duration::from_millis;
        for (first, limit, growth) in [(0, 1, 1.0), (2, 1, 1.0), (1, 2, 0.5), (1, 2, f64::NAN)] {
            assert!(Backoff::new(ms(first), ms(limit), growth, ms(0)).is_err());
        }
        for own in [Backoff::ANSWERED, Backoff::REFUSED, Backoff::REPOSITORY] {
            assert_eq!(Backoff::new(own.first, own.limit, own.growth, own.steady), Ok(own));
        }
    }
}
