//! A progress line, such as `Updating DocTypes for frappe          : [=====     ] 40%`: Frappe rewrites it in place
//! while a command runs (frappe.utils.update_progress_bar).

use std::fmt;

/// The line as written, and its percentage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressLine {
    text: String,
    pub percent: Option<u8>,
}

impl ProgressLine {
    /// Parses a line; the only parser of such lines.
    pub fn parse(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { percent: percent(&text), text }
    }
}

/// The number before the last percent sign. Bars that count `3 of 10` have none.
fn percent(text: &str) -> Option<u8> {
    let (before, _) = text.rsplit_once('%')?;
    let number = before.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    number.parse().ok()
}

impl fmt::Display for ProgressLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_before_the_last_percent_sign_counts() {
        for (text, percent) in [
            ("Updating DocTypes for frappe        : [=====               ] 27%", Some(27)),
            ("Updating DocTypes for frappe        : [====================] 100%", Some(100)),
            ("Updating customizations for 100% : [=    ] 3%", Some(3)),
            // A report of another pod: its step before the line, and what the step waits for after it.
            ("new-site: Updating DocTypes for erpnext : [==  ] 37%; waits for a lock of session 7", Some(37)),
            ("Updating global search: [===   ] 3 of 10", None),
            ("migrate: 1 of 2 patches, about 3 s left", None),
            ("%", None),
            ("1000%", None),
            ("", None),
        ] {
            let line = ProgressLine::parse(text);
            assert_eq!((line.percent, line.to_string().as_str()), (percent, text));
        }
    }
}
