//! The other sites of the bench, which this program serves but does not migrate: whether this code fits their tables.
//!
//! ```text
//!   equal, or a rollback on record           ─▶ Served
//!   nothing pending, and no version differs  ─▶ Served       created or migrated by bench itself: no record of ours
//!   anything else                            ─▶ Refused      503, until `bench --site SITE migrate`
//!   database unreadable, or exclusive lock   ─▶ Unknown      503, until it can be examined
//! ```
//!
//! New code on a site that was not migrated would write data that the old tables cannot hold.

mod examine;
pub mod follow;
pub mod refused;

pub use self::examine::{Examiner, Packages};

use crate::code::relation::{Evidence, Relation};
use crate::status::other_sites::Fit;

/// Decides whether the site is served.
pub fn fit(relation: &Relation, seen: &Evidence) -> Fit {
    let kind = relation.kind();
    match relation {
        Relation::Equal | Relation::RolledBack => Fit::Served(kind),
        Relation::Newer => match pending(seen) {
            Some(pending) => Fit::Refused(kind, pending),
            None => Fit::Served(Relation::Equal.kind()),
        },
        Relation::Older(why) | Relation::Unknown(why) | Relation::Incomplete(why) => {
            Fit::Refused(kind, why.clone())
        }
    }
}

/// Describes what migrate would do; None if nothing is known to be pending.
fn pending(seen: &Evidence) -> Option<String> {
    let patches = seen.pending().count();
    if seen.is_anything_pending() {
        let changed = seen.doctypes.len() + seen.orphans.len();
        return Some(format!(
            "not migrated: {patches} patch(es) and {changed} changed DocType(s) are pending"
        ));
    }
    // A release may change fixtures and hooks without a patch. Frappe records no versions before the first migrate.
    let differs = seen.apps.iter().find_map(|app| {
        let (code, installed) = (app.code.as_ref()?, app.installed.as_ref()?);
        (code != installed).then(|| format!("{} is {code} here, and {installed} in the database", app.name))
    });
    differs.map(|differs| format!("not migrated: {differs}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::relation::{Age, AppEvidence, DocTypeChange};
    use crate::code::version::Version;

    fn seen(code: &str, installed: Option<&str>) -> Evidence {
        let app = AppEvidence {
            name: "frappe".into(),
            code: Version::parse(code),
            installed: installed.and_then(Version::parse),
            ..AppEvidence::default()
        };
        Evidence { apps: vec![app], ..Evidence::default() }
    }

    #[test]
    fn a_site_is_served_only_where_its_tables_are_this_codes() {
        let equal = seen("15.2", Some("15.2"));
        assert!(fit(&Relation::Equal, &Evidence::default()).is_served());
        assert!(fit(&Relation::RolledBack, &seen("15.1", Some("15.2"))).is_served());
        assert_eq!(fit(&Relation::Newer, &equal), Fit::Served(Relation::Equal.kind()));
        assert!(fit(&Relation::Newer, &seen("15.2", None)).is_served(), "made by new-site, never migrated");
        let mut patch = equal.clone();
        patch.apps[0].pending = vec!["frappe.patches.one".into()];
        let mut doctype = equal.clone();
        doctype.doctypes = vec![DocTypeChange { name: "Note".into(), age: Age::Newer }];
        for (relation, seen) in [
            (Relation::Newer, patch),
            (Relation::Newer, doctype),
            (Relation::Newer, seen("15.2", Some("15.1"))),
            (Relation::Older("why".into()), equal.clone()),
            (Relation::Unknown("why".into()), equal.clone()),
            (Relation::Incomplete("why".into()), equal),
        ] {
            let fit = fit(&relation, &seen);
            assert!(!fit.is_served() && fit.why().is_some(), "{relation:?}");
        }
    }
}
