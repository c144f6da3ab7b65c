//! The Range header (RFC 9110, 14.2).

/// The requested part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    All,
    /// From the first offset up to, but not including, the second.
    Part(u64, u64),
    /// Answered with 416.
    Unsatisfiable,
}

/// Parses one range. Several ranges are answered with the whole file, as the RFC allows: no browser requests them,
/// and overlapping ranges are a cheap way to request much data.
pub fn parse(header: Option<&str>, length: u64) -> Range {
    let Some(spec) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Range::All;
    };
    let Some((first, last)) = spec.trim().split_once('-') else { return Range::All };
    let (first, last) = (first.trim(), last.trim());
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(first) || !digits(last) || (first.is_empty() && last.is_empty()) {
        return Range::All;
    }
    // A number that does not fit into u64 is past any end.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let (first, end) = match (first.is_empty(), last.is_empty()) {
        (true, _) => (length.saturating_sub(number(last)), if number(last) == 0 { 0 } else { length }),
        (_, true) => (number(first), length),
        _ if number(last) < number(first) => return Range::All,
        _ => (number(first), number(last).saturating_add(1).min(length)),
    };
    if first >= end { Range::Unsatisfiable } else { Range::Part(first, end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_browsers_and_tools_are_parsed() {
        let table = [
            ("bytes=0-9", Range::Part(0, 10)),
            ("bytes=90-", Range::Part(90, 100)),
            ("bytes=90-1000", Range::Part(90, 100)),
            ("bytes=-10", Range::Part(90, 100)),
            ("bytes=-1000", Range::Part(0, 100)),
            ("bytes=99-99", Range::Part(99, 100)),
            ("bytes=100-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=99999999999999999999-", Range::Unsatisfiable),
            ("bytes=9-0", Range::All),
            ("bytes=-", Range::All),
            ("bytes=a-b", Range::All),
            ("bytes=0-1,3-4", Range::All),
            ("lines=0-1", Range::All),
        ];
        for (header, expected) in table {
            assert_eq!(parse(Some(header), 100), expected, "{header}");
        }
        assert_eq!(parse(None, 100), Range::All);
        assert_eq!(parse(Some("bytes=0-"), 0), Range::Unsatisfiable);
    }

    proptest::proptest! {
        #[test]
        fn a_part_is_inside_the_file(spec in "bytes=[0-9]{0,21}-[0-9]{0,21}", length in 0u64..1000) {
            if let Range::Part(first, end) = parse(Some(&spec), length) {
                proptest::prop_assert!(first < end && end <= length);
            }
        }
    }
}
