//! How long something that looks final may still mend itself: a secret or a rule that is being changed.

use std::time::Duration;

use tokio::time::Instant;

use crate::net::{Class, Kind};

const GRACE: Duration = Duration::from_secs(10);

/// Since when the same final-looking error has been seen, try after try.
#[derive(Debug, Default)]
pub struct Grace {
    since: Option<(Kind, Instant)>,
}

impl Grace {
    /// Whether waiting has become pointless with this error.
    pub fn is_over(&mut self, kind: Kind, now: Instant) -> bool {
        match kind.class() {
            Class::Never => true,
            Class::NotYet => {
                self.since = None;
                false
            }
            Class::NeverAfterGrace => match self.since {
                Some((seen, since)) if seen == kind => now.duration_since(since) >= GRACE,
                _ => {
                    self.since = Some((kind, now));
                    false
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_password_becomes_final_after_ten_seconds_of_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut grace = Grace::default();
        assert!(!grace.is_over(Kind::WrongPassword, at(0)));
        assert!(!grace.is_over(Kind::WrongPassword, at(9)));
        assert!(grace.is_over(Kind::WrongPassword, at(10)));
    }

    #[test]
    fn a_restart_in_between_begins_the_count_anew() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut grace = Grace::default();
        assert!(!grace.is_over(Kind::WrongPassword, at(0)));
        assert!(!grace.is_over(Kind::NotServing, at(8)));
        assert!(!grace.is_over(Kind::WrongPassword, at(12)));
        assert!(grace.is_over(Kind::WrongPassword, at(22)));
    }

    #[test]
    fn never_is_never_at_once() {
        assert!(Grace::default().is_over(Kind::Certificate, Instant::now()));
    }
}
