//! The grace period of errors that may pass within seconds: a secret or a rule is being changed.

use std::time::Duration;

use tokio::time::Instant;

use crate::net::{Class, Kind};

const ERROR_GRACE: Duration = Duration::from_secs(10);

/// The time since which every try has failed with the same kind of error.
#[derive(Debug, Default)]
pub struct Grace {
    since: Option<(Kind, Instant)>,
}

impl Grace {
    /// True if waiting cannot help any more with this error.
    pub fn is_over(&mut self, kind: Kind, now: Instant) -> bool {
        match kind.class() {
            Class::Never => true,
            Class::NotYet => {
                self.since = None;
                false
            }
            Class::NeverAfterGrace => match self.since {
                Some((seen, since)) if seen == kind => now.duration_since(since) >= ERROR_GRACE,
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
    fn a_wrong_password_becomes_final_after_ten_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut grace = Grace::default();
        assert!(!grace.is_over(Kind::WrongPassword, at(0)));
        assert!(!grace.is_over(Kind::WrongPassword, at(9)));
        assert!(grace.is_over(Kind::WrongPassword, at(10)));
    }

    #[test]
    fn a_restart_of_the_server_resets_the_grace_period() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut grace = Grace::default();
        assert!(!grace.is_over(Kind::WrongPassword, at(0)));
        assert!(!grace.is_over(Kind::NotServing, at(8)));
        assert!(!grace.is_over(Kind::WrongPassword, at(12)));
        assert!(grace.is_over(Kind::WrongPassword, at(22)));
    }

    #[test]
    fn the_class_never_has_no_grace_period() {
        assert!(Grace::default().is_over(Kind::Certificate, Instant::now()));
    }
}
