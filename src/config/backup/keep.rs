//! Which backups are kept, in words: `7d,5w,12m` keeps the last of each of 7 days, 5 weeks and 12 months.

use std::fmt;

/// The number of backups that are kept of each period: the last one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    pub hours: u32,
    pub days: u32,
    pub weeks: u32,
    pub months: u32,
    pub years: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Self { days: 7, weeks: 5, months: 12, ..Self::NONE }
    }
}

impl Keep {
    const NONE: Self = Self { hours: 0, days: 0, weeks: 0, months: 0, years: 0 };

    /// Reads counts with their periods, separated by commas.
    ///
    /// # Errors
    /// What is wrong with the text; a text that keeps nothing is wrong, too.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keep = Self::NONE;
        for word in text.split(',').map(str::trim) {
            let wrong = || format!("`{word}` is not a number with h, d, w, m or y");
            let at = word.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let (number, period) = word.split_at(at);
            let number: u32 = number.parse().map_err(|_| wrong())?;
            let field = match period {
                "h" => &mut keep.hours,
                "d" => &mut keep.days,
                "w" => &mut keep.weeks,
                "m" => &mut keep.months,
                "y" => &mut keep.years,
                _ => return Err(wrong()),
            };
            if std::mem::replace(field, number) != 0 {
                return Err(format!("`{period}` is given twice"));
            }
        }
        if keep == Self::NONE {
            return Err("it keeps no backup at all".into());
        }
        Ok(keep)
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all =
            [(self.hours, 'h'), (self.days, 'd'), (self.weeks, 'w'), (self.months, 'm'), (self.years, 'y')];
        let words: Vec<String> = all
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, period)| format!("{count}{period}"))
            .collect();
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_periods_and_nothing_is_kept_by_mistake() {
        assert_eq!(Keep::parse("7d,5w,12m").unwrap(), Keep::default());
        assert_eq!(Keep::parse("24h, 3y").unwrap().to_string(), "24h,3y");
        for bad in ["", "7", "d", "7x", "7d,,5w", "7d,8d", "0d", "-1d", "7 d", "99999999999d"] {
            assert!(Keep::parse(bad).is_err(), "{bad}");
        }
    }
}
