//! Sizes as operators write them: `512Mi` (Kubernetes) and `50m` (nginx, in powers of two).

/// Returns the size in bytes. A number without a unit is a number of bytes.
pub fn parse(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is not a size; write it like 50m or 512Mi");
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" | "ki" => 10,
        "m" | "mi" => 20,
        "g" | "gi" => 30,
        _ => return Err(bad()),
    };
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift)).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_spellings_of_a_size() {
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("50m"), Ok(50 << 20));
        assert_eq!(parse("512Mi"), Ok(512 << 20));
        assert_eq!(parse("2g"), Ok(2 << 30));
        for bad in ["", "m", "-1m", "1.5g", "10mb", "99999999999g"] {
            assert!(parse(bad).is_err(), "{bad:?} was read");
        }
    }
}
