//! When `all` takes a backup: five words of cron and a time zone, such as `30 2 * * * Europe/Berlin`. Without a zone: UTC.

use std::fmt;

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions, parse_crontab_with};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A schedule. Its zone's hour that the summer time skips has no run of its own, and one that is repeated may have two.
#[derive(Clone)]
pub struct Schedule {
    text: String,
    crontab: Crontab,
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What is wrong with the text; a schedule without any run is wrong, too.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(zone) = text.split_whitespace().nth(5) {
            check_zone(zone)?;
        }
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let crontab =
            parse_crontab_with(text, options).map_err(|_| format!("`{text}` is not a schedule of cron"))?;
        let schedule = Self { text: text.to_string(), crontab };
        match schedule.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(format!("`{text}` never comes")),
        }
    }

    /// The first run after a time.
    pub fn next(&self, after: Timestamp) -> Option<Zoned> {
        self.crontab.find_next(MakeTimestamp(after)).ok()
    }
}

/// Refuses `UTC+1`, which POSIX reads as one hour west of Greenwich, the contrary of what is meant.
fn check_zone(zone: &str) -> Result<(), String> {
    if zone.starts_with(['+', '-']) || TimeZone::get(zone).is_ok() {
        return Ok(());
    }
    Err(format!("`{zone}` is not a time zone, such as Europe/Berlin or +01:00"))
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(schedule: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(schedule).unwrap();
        let mut after: Timestamp = after.parse().unwrap();
        let mut next = || {
            after = schedule.next(after).unwrap().timestamp();
            after.to_string()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_schedule_has_a_zone_and_without_one_it_is_utc() {
        assert_eq!(runs("30 2 * * *", "2026-11-30T00:00:00Z", 1), ["2026-11-30T02:30:00Z"]);
        assert_eq!(runs("30 2 * * * Europe/Berlin", "2026-11-30T00:00:00Z", 1), ["2026-11-30T01:30:00Z"]);
        assert_eq!(runs("30 2 * * * Europe/Berlin", "2026-07-01T00:00:00Z", 1), ["2026-07-01T00:30:00Z"]);
        assert_eq!(runs("30 2 * * * +01:00", "2026-11-30T00:00:00Z", 1), ["2026-11-30T01:30:00Z"]);
        for bad in ["", "daily", "* * * *", "60 2 * * *", "30 2 * * * Nowhere/City", "0 0 30 2 *"] {
            assert!(Schedule::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_zone_whose_sign_means_the_contrary_is_refused() {
        for zone in ["UTC+1", "GMT-3", "CET-1CEST", "Local", "+26:00"] {
            assert!(Schedule::parse(&format!("30 2 * * * {zone}")).is_err(), "{zone}");
        }
        for zone in ["UTC", "Etc/GMT+1", "EST5EDT", "europe/berlin"] {
            assert!(Schedule::parse(&format!("30 2 * * * {zone}")).is_ok(), "{zone}");
        }
    }

    /// On 2026-03-29 the hour from two to three does not exist in Berlin, and on 2026-10-25 it comes twice.
    #[test]
    fn every_day_has_a_run_when_the_clocks_change() {
        let days = |runs: Vec<String>| runs.iter().map(|run| run[5..10].to_string()).collect::<Vec<_>>();
        let spring = days(runs("0 12 * * * Europe/Berlin", "2026-03-28T00:00:00Z", 3));
        assert_eq!(spring, ["03-28", "03-29", "03-30"]);
        let autumn = days(runs("0 12 * * * Europe/Berlin", "2026-10-24T00:00:00Z", 3));
        assert_eq!(autumn, ["10-24", "10-25", "10-26"]);
        let skipped = runs("30 2 * * * Europe/Berlin", "2026-03-28T00:00:00Z", 2);
        assert_eq!(skipped[0], "2026-03-28T01:30:00Z");
        assert!(skipped[1].as_str() <= "2026-03-30T00:30:00Z", "{skipped:?}");
    }

    /// The hour that a zone skips has no run on that day, the one that it repeats has two, and a run each hour comes each hour.
    #[test]
    fn an_hour_that_is_skipped_has_no_run_and_one_that_is_repeated_has_two() {
        for (schedule, after, expected) in [
            (
                "30 2 * * * Europe/Berlin",
                "2026-03-28T12:00:00Z",
                ["2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"],
            ),
            (
                "30 2 * * * Europe/Berlin",
                "2026-10-24T12:00:00Z",
                ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
            ),
            (
                "30 2 * * * America/New_York",
                "2026-03-07T12:00:00Z",
                ["2026-03-09T06:30:00Z", "2026-03-10T06:30:00Z"],
            ),
            (
                "30 1 * * * America/New_York",
                "2026-10-31T12:00:00Z",
                ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"],
            ),
            (
                "15 * * * * Europe/Berlin",
                "2026-03-29T00:20:00Z",
                ["2026-03-29T01:15:00Z", "2026-03-29T02:15:00Z"],
            ),
            (
                "15 * * * * America/New_York",
                "2026-11-01T05:20:00Z",
                ["2026-11-01T06:15:00Z", "2026-11-01T07:15:00Z"],
            ),
        ] {
            assert_eq!(runs(schedule, after, 2), expected, "{schedule}");
        }
    }
}
