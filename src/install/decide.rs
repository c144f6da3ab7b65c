//! Decides what to do about one wanted app.
//!
//! ```text
//!                     the site has it        the site lacks it
//!   no entry          nothing                install
//!   started           install --force        install --force     killed, or its end was not recorded
//!   finished          nothing                install             uninstalled by hand
//! ```

use crate::record::journal::Entry;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Nothing,
    Install { force: bool },
}

/// Decides by Frappe's list of installed apps and our journal.
pub fn decide(is_installed: bool, entry: Option<&Entry>) -> Act {
    match (entry.map(|entry| entry.finished), is_installed) {
        (Some(false), _) => Act::Install { force: true },
        (None | Some(true), true) => Act::Nothing,
        (None | Some(true), false) => Act::Install { force: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_table_has_its_act() {
        let entry = |finished| Entry { finished, commit: None };
        let (started, finished) = (entry(false), entry(true));
        assert_eq!(decide(true, None), Act::Nothing);
        assert_eq!(decide(false, None), Act::Install { force: false });
        assert_eq!(decide(true, Some(&started)), Act::Install { force: true });
        assert_eq!(decide(false, Some(&started)), Act::Install { force: true });
        assert_eq!(decide(true, Some(&finished)), Act::Nothing);
        assert_eq!(decide(false, Some(&finished)), Act::Install { force: false });
    }
}
