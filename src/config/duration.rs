//! Durations as operators write them: `500ms`, `10s`, `5m`, `1h`; a bare `0` is zero.

use std::time::Duration;

/// The value of 0 in a setting that is a limit: longer than any pod runs.
pub const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads a duration that may also be a number of seconds without a unit, as in the official images.
///
/// # Errors
/// Returns what is wrong with the text.
pub fn parse_s(text: &str) -> Result<Duration, String> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { parse(&format!("{text}s")) } else { parse(text) }
}

/// Reads a duration. A number without a unit is refused as ambiguous (`30`: seconds or milliseconds?), except 0.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let factor_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("`{text}` is not a duration; write it like 500ms, 10s or 5m")),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor_ms))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is not a duration; write it like 500ms, 10s or 5m"))
}

/// Returns the shortest spelling of a duration.
pub fn show(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "0s".into(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_and_refuses_a_bare_number() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        for bad in ["", "10", "s", "-1s", "1.5s", "10 s", "99999999999999999h"] {
            assert!(parse(bad).is_err(), "{bad:?} was read");
        }
    }

    #[test]
    fn seconds_may_have_no_unit() {
        assert_eq!(parse_s("5"), parse("5s"));
        for zero in ["0", "00", "0s", "0ms", "0m"] {
            assert_eq!(parse_s(zero), Ok(Duration::ZERO), "{zero}");
        }
        for bad in ["-1", "-0", "1.5", ""] {
            assert!(parse_s(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_read_back(ms in 0u64..10_000_000_000) {
            let duration = Duration::from_millis(ms);
            proptest::prop_assert_eq!(parse(&show(duration)), Ok(duration));
        }
    }
}
