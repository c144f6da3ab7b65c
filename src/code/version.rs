//! The version of an app, which is only used to find the older of two.

use std::cmp::Ordering;
use std::fmt;

/// A version such as `15.55.1`, `16.0.0-dev` or `v3`. With equal numbers, the one with a suffix is older.
#[derive(Clone, Debug)]
pub struct Version {
    text: String,
    numbers: Vec<u64>,
    is_release: bool,
}

impl Version {
    /// Parses a version; None if it does not begin with a number and so cannot be compared.
    pub fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim().trim_start_matches(['v', 'V']);
        let length = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (digits, rest) = trimmed.split_at(length);
        let numbers: Vec<u64> =
            digits.trim_end_matches('.').split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
        // 15.x.x is a branch, which cannot be compared with a version.
        (!rest.starts_with('x')).then(|| Self {
            text: text.trim().to_string(),
            numbers,
            is_release: rest.is_empty() || rest.starts_with(['+', ' ']),
        })
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let longest = self.numbers.len().max(other.numbers.len());
        let number = |version: &Self, at: usize| version.numbers.get(at).copied().unwrap_or(0);
        (0..longest)
            .map(|at| number(self, at).cmp(&number(other, at)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| self.is_release.cmp(&other.is_release))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_and_prereleases_are_older() {
        let parse = |text| Version::parse(text).unwrap();
        assert!(parse("15.9.0") < parse("15.10.0"));
        assert!(parse("16.0.0-dev") < parse("16.0.0"));
        assert!(parse("15.55.1") < parse("16.0.0-dev"));
        assert_eq!(parse("v1.2"), parse("1.2.0"));
        assert_eq!(parse("15.55.1").to_string(), "15.55.1");
        assert!(Version::parse("develop").is_none() && Version::parse("15.x.x-develop").is_none());
    }
}
