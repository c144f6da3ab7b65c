//! The other sites of the bench, as the account has them: which of them requests may reach.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::gate::RelationKind;
use super::handle::StatusHandle;

/// Whether requests of a site go to Frappe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// What this code is to its database.
    Served(RelationKind),
    /// The same, and why not.
    Refused(RelationKind, String),
    /// Why nothing is known.
    Unknown(String),
}

impl Fit {
    pub fn is_served(&self) -> bool {
        matches!(self, Self::Served(_))
    }

    /// What this code is to the site's database.
    pub fn relation(&self) -> RelationKind {
        match self {
            Self::Served(relation) | Self::Refused(relation, _) => *relation,
            Self::Unknown(_) => RelationKind::Unknown,
        }
    }

    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Served(_) => None,
            Self::Refused(_, why) | Self::Unknown(why) => Some(why),
        }
    }
}

/// What an operator does about a site that is refused.
pub fn hint(site: &str) -> String {
    format!(
        "run `cauldron-frappe exec -- bench --site {site} migrate` with this code; it is served by itself then"
    )
}

/// By name; those that were examined.
#[derive(Clone, Debug, Default)]
pub struct OtherSites(BTreeMap<String, Fit>);

impl OtherSites {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Fit)> {
        self.0.iter().map(|(name, fit)| (name.as_str(), fit))
    }

    /// For `/status`.
    pub fn status(&self) -> Value {
        let site = |(name, fit): (&str, &Fit)| json!({"site": name, "served": fit.is_served(), "relation": fit.relation().as_str(), "problem": fit.why()});
        self.iter().map(site).collect()
    }
}

impl StatusHandle {
    /// Whether a site other than the one that is bootstrapped may be served; none where it was not examined.
    pub fn serves_other_site(&self, site: &str) -> Option<bool> {
        self.lock().other_sites.0.get(site).map(Fit::is_served)
    }

    /// Sites that are gone are forgotten.
    pub fn keep_other_sites(&self, names: &BTreeSet<&str>) {
        self.lock().other_sites.0.retain(|name, _| names.contains(name.as_str()));
    }

    /// What is known of one; a line in the log for each change.
    pub fn tell_other_site(&self, site: &str, fit: Fit) {
        let before = self.lock().other_sites.0.insert(site.to_string(), fit.clone());
        if before.as_ref() == Some(&fit) {
            return;
        }
        let relation = fit.relation().as_str();
        match &fit {
            Fit::Served(_) if before.is_none() => {
                tracing::info!(site, relation, "another site of this bench is served");
            }
            Fit::Served(_) => tracing::info!(site, relation, "the other site is served now"),
            Fit::Refused(_, why) => {
                let hint = hint(site);
                tracing::warn!(
                    site,
                    relation,
                    why,
                    hint,
                    "another site of this bench does not fit this code: its hosts get 503"
                );
            }
            Fit::Unknown(why) => {
                tracing::warn!(site, why, "another site of this bench cannot be examined: its hosts get 503");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_examined_and_fits_is_served() {
        let status = StatusHandle::new("web", Some("one.test".into()));
        assert_eq!(status.serves_other_site("two.test"), None);
        status.tell_other_site("two.test", Fit::Refused(RelationKind::Newer, "not migrated".into()));
        assert_eq!(status.serves_other_site("two.test"), Some(false));
        let document = status.read().status();
        assert_eq!(document["other_sites"][0]["site"], "two.test");
        assert_eq!(document["other_sites"][0]["problem"], "not migrated");
        status.tell_other_site("two.test", Fit::Served(RelationKind::Equal));
        assert_eq!(status.serves_other_site("two.test"), Some(true));
        status.keep_other_sites(&BTreeSet::new());
        assert_eq!(status.serves_other_site("two.test"), None);
    }
}
