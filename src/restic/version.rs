//! The version of restic.

use std::fmt;

/// The oldest version whose options and output are known: Debian 12's.
pub const OLDEST: Version = Version { major: 0, minor: 14 };

/// The first two numbers of restic's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl Version {
    /// Reads the output of `restic version`: `restic 0.14.0 compiled with go1.19.8 on linux/amd64`.
    pub fn parse(output: &str) -> Option<Self> {
        let number = output.split_whitespace().skip_while(|word| *word != "restic").nth(1)?;
        let mut parts = number.trim_start_matches('v').split('.');
        let mut part = || parts.next()?.parse().ok();
        Some(Self { major: part()?, minor: part()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_by_number() {
        let parse = |text| Version::parse(text).unwrap();
        assert_eq!(parse("restic 0.14.0 compiled with go1.19.8 on linux/amd64"), OLDEST);
        assert!(parse("restic 0.9.6 compiled with go1.15") < OLDEST && parse("restic v1.0.0") > OLDEST);
        assert_eq!(Version::parse("restic (no version)"), None);
        assert_eq!(Version::parse(""), None);
    }
}
