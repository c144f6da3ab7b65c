//! Sizes and ages for people.

use jiff::SignedDuration;

/// A size in words: `1.4 GB`, in powers of ten.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 99.95 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// An age in words, by its largest unit: `3 d`, `5 h`, `2 min`, `1 s`. Of what is dated in the future: `-3 d`.
pub fn age(age: SignedDuration) -> String {
    let seconds = age.as_secs();
    match seconds {
        ..=-120 => format!("-{}", self::age(-age)),
        -119..0 => "0 s".into(),
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_short() {
        let sizes = [0, 999, 1_000, 1_449_000_000, 123_456_789, 999_999, 5_000_000_000_000_000];
        assert_eq!(sizes.map(size), ["0 B", "999 B", "1.0 kB", "1.4 GB", "123 MB", "1.0 MB", "5000 TB"]);
        let ages = [-3 * 86_400, -119, 90, 600, 3 * 3_600, 10 * 86_400].map(SignedDuration::from_secs);
        assert_eq!(ages.map(age), ["-3 d", "0 s", "90 s", "10 min", "3 h", "10 d"]);
    }
}
