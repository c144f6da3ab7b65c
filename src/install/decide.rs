//! Decides which apps are installed, and how. `install` executes the decision, `plan` shows it.
//!
//! ```text
//!                     the site has it        the site lacks it
//!   no entry          nothing                install
//!   started           install --force        install --force     killed, or its end was not recorded
//!   finished          nothing                install             uninstalled by hand
//! ```
//!
//! Only apps that are to be installed now are decided on. An install that always fails ends with the wish for it.

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

/// The apps whose install was started and not finished, and which are not among `apps`: nothing finishes their installs.
pub fn abandoned<'a>(apps: &[String], journal: &'a BTreeMap<String, Entry>) -> Vec<&'a str> {
    let is_abandoned = |(app, entry): &(&String, &Entry)| !entry.finished && !apps.contains(app);
    journal.iter().filter(is_abandoned).map(|(app, _)| app.as_str()).collect()
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
    fn an_unfinished_install_of_an_app_that_is_not_to_be_installed_is_abandoned() {
        let entry = |finished| Entry { finished, commit: None };
        let journal = BTreeMap::from([
            ("done".to_string(), entry(true)),
            ("begun".to_string(), entry(false)),
            ("left".to_string(), entry(false)),
        ]);
        assert_eq!(abandoned(&["begun".to_string()], &journal), ["left"]);
    }

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
