//! Decides which requests a pod answers, by the relation of its code to the site's database. A pure function, for the
//! pod's own site and for every other site of the bench; its test covers this table.
//!
//! ```text
//!   equal                               ─▶ all
//!   rolled back                         ─▶ all           the database was migrated from exactly this code
//!   newer, and the site has a record    ─▶ none          a leader migrates it or records that nothing was pending
//!   newer, without a record:
//!     something pending                 ─▶ none
//!     the own site                      ─▶ all           taken as it is
//!     another site, no version differs  ─▶ all           bench itself created or migrated it
//!     another site, a version differs   ─▶ none          fixtures or hooks may differ without a patch
//!   older, unknown, incomplete          ─▶ none
//! ```
//!
//! An interrupted migration comes before this table: another site is refused with its remedies, and on the own site
//! maintenance mode answers 503, or lets reads through (`allow_reads_during_maintenance`).
//!
//! No relation lets only reads through: most reads of Frappe write too (sessions, views, caches). Code that is rolled back writes as well: Frappe reads the fields of a DocType from the database, the migration only adds
//! to them, and people have to be able to work after a rollback. Other older code gets nothing, because nothing shows
//! that it ever ran on tables like these.

use crate::code::relation::{Evidence, Relation};

/// Which site is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// SITE_NAME, which leaders migrate.
    Own { has_record: bool },
    /// Any other site of the bench, which `bench migrate` migrates.
    Another,
}

/// Returns the reason why no request of the site is answered; None if all are.
pub fn refusal(whose: Whose, relation: &Relation, seen: &Evidence) -> Option<String> {
    match relation {
        Relation::Equal | Relation::RolledBack => None,
        Relation::Newer => match whose {
            Whose::Own { has_record: true } => {
                Some("this code is newer than the database, which has to be migrated first".into())
            }
            Whose::Own { has_record: false } => pending(seen),
            Whose::Another => pending(seen).or_else(|| other_version(seen)),
        },
        Relation::Older(why) | Relation::Unknown(why) | Relation::Incomplete(why) => Some(why.clone()),
    }
}

/// Describes what migrate would do.
fn pending(seen: &Evidence) -> Option<String> {
    let (patches, changed) = (seen.pending().count(), seen.doctypes.len() + seen.orphans.len());
    seen.is_anything_pending()
        .then(|| format!("not migrated: {patches} patch(es) and {changed} changed DocType(s) are pending"))
}

/// An app whose version differs from the recorded one. Frappe records none before the first migrate.
fn other_version(seen: &Evidence) -> Option<String> {
    seen.apps.iter().find_map(|app| {
        let (code, installed) = (app.code.as_ref()?, app.installed.as_ref()?);
        (code != installed)
            .then(|| format!("not migrated: {} is {code} here, and {installed} in the database", app.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::relation::{Age, AppEvidence, DocTypeChange};
    use crate::code::version::Version;

    const OWN: [Whose; 2] = [Whose::Own { has_record: true }, Whose::Own { has_record: false }];
    const ALL: [Whose; 3] = [OWN[0], OWN[1], Whose::Another];

    fn seen(code: &str, installed: Option<&str>) -> Evidence {
        let app = AppEvidence {
            name: "frappe".into(),
            code: Version::parse(code),
            installed: installed.and_then(Version::parse),
            ..AppEvidence::default()
        };
        Evidence { apps: vec![app], ..Evidence::default() }
    }

    fn serves(whose: Whose, relation: &Relation, seen: &Evidence) -> bool {
        refusal(whose, relation, seen).is_none()
    }

    #[test]
    fn equal_and_rolled_back_code_answers_everything_on_every_site() {
        for whose in ALL {
            assert!(serves(whose, &Relation::Equal, &Evidence::default()), "{whose:?}");
            assert!(serves(whose, &Relation::RolledBack, &seen("15.1", Some("15.2"))), "{whose:?}");
        }
    }

    #[test]
    fn newer_code_answers_only_on_sites_without_a_record_and_with_nothing_pending() {
        let equal = seen("15.2", Some("15.2"));
        assert_eq!(ALL.map(|whose| serves(whose, &Relation::Newer, &equal)), [false, true, true]);
        let never_migrated = seen("15.2", None);
        assert!(serves(Whose::Another, &Relation::Newer, &never_migrated), "made by new-site");
        let other_version = seen("15.2", Some("15.1"));
        assert_eq!(ALL.map(|whose| serves(whose, &Relation::Newer, &other_version)), [false, true, false]);
        let mut patch = equal.clone();
        patch.apps[0].pending = vec!["frappe.patches.one".into()];
        let mut doctype = equal;
        doctype.doctypes = vec![DocTypeChange { name: "Note".into(), age: Age::Newer }];
        for seen in [patch, doctype] {
            assert_eq!(ALL.map(|whose| serves(whose, &Relation::Newer, &seen)), [false; 3], "{seen:?}");
        }
    }

    #[test]
    fn other_code_answers_nothing() {
        let equal = seen("15.2", Some("15.2"));
        for whose in ALL {
            for relation in
                [Relation::Older("a".into()), Relation::Unknown("b".into()), Relation::Incomplete("c".into())]
            {
                assert_eq!(refusal(whose, &relation, &equal).as_deref(), relation.why(), "{whose:?}");
            }
        }
    }
}
