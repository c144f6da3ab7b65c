//! What a migrate would run: the entries of patches.txt that are not in Patch Log. It is read from
//! files, so a patch that a section's condition leaves out counts, and a changed DocType does not.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::id::Id;

/// Entries of these files that were not run.
pub fn pending(texts: impl Iterator<Item = String>, logged: &BTreeSet<String>) -> Vec<String> {
    texts
        .flat_map(|text| entries(&text).map(str::to_string).collect::<Vec<_>>())
        .filter(|patch| !logged.contains(patch))
        .collect()
}

/// Sections and comments aside, a patch is its whole line.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';', '[']))
}

pub fn judge(pending: &[String]) -> Finding {
    let subject = "patches.txt";
    match pending {
        [] => Finding::ok(Id::PendingPatches, subject, "every entry is in Patch Log"),
        [first, ..] => Finding::warning(
            Id::PendingPatches,
            subject,
            format!("about {} not in Patch Log, the first: {first}", pending.len()),
            "run `bench migrate` with this version of the code",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn what_is_not_logged_is_pending() {
        let text =
            "[pre_model_sync]\n# a comment\na.b.c #2024-01-01\n\n[post_model_sync]\nexecute:x()\n  d.e\n";
        let logged = BTreeSet::from(["execute:x()".to_string(), "old".to_string()]);
        let found = pending(std::iter::once(text.to_string()), &logged);
        assert_eq!(found, ["a.b.c #2024-01-01", "d.e"]);
        assert!(judge(&found).severity == Severity::Warning && judge(&found).detail.contains("about 2"));
        assert_eq!(judge(&[]).severity, Severity::Ok);
    }
}
