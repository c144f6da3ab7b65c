//! Decides which apps are installed, and how. `install` executes the decision, `plan` shows it.
//!
//! ```text
//!                     the site has it        the site lacks it
//!   no entry          nothing                install
//!   started           install --force        install --force     killed, or its end was not recorded
//!   finished          nothing                install             uninstalled by hand
//! ```

use std::collections::BTreeMap;

use crate::record::journal::Entry;

/// An install to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Install {
    pub app: String,
    /// An earlier install was started and not finished.
    pub force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Nothing,
    Install { force: bool },
}

/// The wanted apps, and those whose install was started and not finished.
pub fn with_begun(wanted: &[String], journal: &BTreeMap<String, Entry>) -> Vec<String> {
    let begun = journal.iter().filter(|(_, entry)| !entry.finished).map(|(app, _)| app.clone());
    wanted.iter().cloned().chain(begun).collect()
}

/// The installs to run for these apps, in the same order.
pub fn installs(apps: Vec<String>, installed: &[String], journal: &BTreeMap<String, Entry>) -> Vec<Install> {
    let install = |app: String| match decide(installed.contains(&app), journal.get(&app)) {
        Act::Install { force } => Some(Install { app, force }),
        Act::Nothing => None,
    };
    apps.into_iter().filter_map(install).collect()
}

/// Decides by Frappe's list of installed apps and our journal.
fn decide(is_installed: bool, entry: Option<&Entry>) -> Act {
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
