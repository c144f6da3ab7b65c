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

/// Reads a size as Kubernetes writes it, with its unit: `512Mi`, `1Gi` or `300M`. 0 is refused.
///
/// # Errors
/// Returns what is wrong with the text.
pub fn parse_quantity(text: &str) -> Result<u64, String> {
    let units: [(&str, u64); 6] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
    ];
    let parsed = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*factor));
    parsed.filter(|bytes| *bytes > 0).ok_or_else(|| format!("`{text}` is not a size"))
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

    #[test]
    fn a_quantity_has_a_unit_and_is_not_zero() {
        assert_eq!((parse_quantity("512Mi"), parse_quantity("1G")), (Ok(512 << 20), Ok(1_000_000_000)));
        assert!(["512", "Mi", "-1Mi", "0Mi", "0"].iter().all(|bad| parse_quantity(bad).is_err()));
    }
}
