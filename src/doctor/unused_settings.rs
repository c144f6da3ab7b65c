//! Checks that everything that is set has the effect that it seems to have.

use super::finding::Finding;
use super::id::Id;
use crate::config::unused::{Unused, hints, names};

/// One finding for all variables and keys: their names, and what to do for each.
pub fn check(unused: &[Unused]) -> Finding {
    let id = Id::UnusedSettings;
    if unused.is_empty() {
        return Finding::ok(
            id,
            "settings",
            "every variable that is set is used, and so is every key of Frappe's files",
        );
    }
    Finding::warning(id, names(unused), "set, and not used, or not as it is written", hints(unused))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    #[test]
    fn all_names_are_in_one_warning() {
        assert_eq!(check(&[]).severity, Severity::Ok);
        let one = |name: &str, hint: &str| Unused { name: name.into(), hint: hint.into() };
        let finding = check(&[one("A", "set B"), one("C", "remove it")]);
        assert_eq!((finding.severity, finding.subject.as_str()), (Severity::Warning, "A, C"));
        assert_eq!(finding.hint, "A: set B; C: remove it");
    }
}
