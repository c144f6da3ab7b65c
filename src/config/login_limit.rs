//! The limit of failed logins (CAULDRON_LOGIN_LIMIT).

use std::time::Duration;

use super::duration;

const MAX_FAILURES: u32 = 1_000;
const MIN_WINDOW: Duration = Duration::from_secs(1);
const MAX_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// The number of failed logins that a user, and an address, may have within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLimit {
    pub failures: u32,
    /// Counted from the first failure.
    pub window: Duration,
}

impl LoginLimit {
    /// Reads `10/5m`: ten failures in five minutes.
    ///
    /// # Errors
    /// Returns what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a number of failures and a time");
        let (failures, window) = text.split_once('/').ok_or_else(wrong)?;
        let failures = failures.parse().map_err(|_| wrong())?;
        let window = duration::parse(window)?;
        if !(1..=MAX_FAILURES).contains(&failures) {
            return Err(format!("{failures} is not a number of failures from 1 to {MAX_FAILURES}"));
        }
        if !(MIN_WINDOW..=MAX_WINDOW).contains(&window) {
            return Err(format!("{} is not a time from 1s to 24h", duration::show(window)));
        }
        Ok(Self { failures, window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_and_a_time_within_bounds() {
        let limit = |failures, s| Ok(LoginLimit { failures, window: Duration::from_secs(s) });
        assert_eq!(LoginLimit::parse("10/5m"), limit(10, 300));
        assert_eq!(LoginLimit::parse("1/1s"), limit(1, 1));
        assert_eq!(LoginLimit::parse("1000/24h"), limit(1_000, 86_400));
        for bad in ["", "10", "10/", "/5m", "0/5m", "1001/5m", "-1/5m", "10/0", "10/5", "10/25h", "10/5m/2"] {
            assert!(LoginLimit::parse(bad).is_err(), "{bad}");
        }
    }
}
