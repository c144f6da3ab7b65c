//! The other sites of the bench in the status: requests reach only those that fit this code.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::gate::RelationKind;
use super::handle::StatusHandle;

/// The decision to pass requests of a site to Frappe or to refuse them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Served; the code has this relation to the site's database.
    Served(RelationKind),
    /// Refused, with the relation and the reason.
    Refused(RelationKind, String),
    /// Refused, since the examination failed for this reason.
    Unknown(String),
}

impl Fit {
    pub fn is_served(&self) -> bool {
        matches!(self, Self::Served(_))
    }

    /// The relation of this code to the site's database.
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

/// The hint for the operator on a refused site.
pub fn hint(site: &str) -> String {
    format!(
        "run `cauldron-frappe exec -- bench --site {site} migrate` with this code; the site is then served \
         automatically"
    )
}

/// The examined sites by name.
#[derive(Clone, Debug, Default)]
pub struct OtherSites(BTreeMap<String, Fit>);

impl OtherSites {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Fit)> {
        self.0.iter().map(|(name, fit)| (name.as_str(), fit))
    }

    /// The `other_sites` list of `/status`.
    pub fn status(&self) -> Value {
        let site = |(name, fit): (&str, &Fit)| {
            let relation = fit.relation().as_str();
            json!({"site": name, "served": fit.is_served(), "relation": relation, "problem": fit.why()})
        };
        self.iter().map(site).collect()
    }
}

impl StatusHandle {
    /// True if another site than the bootstrapped one may be served; None if it was not examined.
    pub fn serves_other_site(&self, site: &str) -> Option<bool> {
        self.lock().other_sites.0.get(site).map(Fit::is_served)
    }

    /// Removes sites that no longer exist.
    pub fn retain_other_sites(&self, names: &BTreeSet<&str>) {
        self.lock().other_sites.0.retain(|name, _| names.contains(name.as_str()));
    }

    /// Sets the result for a site, and logs a change.
    pub fn publish_other_site(&self, site: &str, fit: Fit) {
        let before = self.lock().other_sites.0.insert(site.to_string(), fit.clone());
        if before.as_ref() == Some(&fit) {
            return;
        }
        let relation = fit.relation().as_str();
        match &fit {
            Fit::Served(_) => {
                tracing::info!(
                    event = "other_site.served",
                    site,
                    relation,
                    "another site of this bench is served"
                );
            }
            Fit::Refused(_, reason) => tracing::warn!(
                event = "other_site.refused",
                site,
                relation,
                reason,
                hint = hint(site),
                "another site of this bench does not fit this code; requests to it get 503"
            ),
            Fit::Unknown(reason) => tracing::warn!(
                event = "other_site.examination_failed",
                site,
                reason,
                "another site of this bench cannot be examined; requests to it get 503"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::handle::RoleName;

    #[test]
    fn only_examined_sites_that_fit_are_served() {
        let status = StatusHandle::new(RoleName::Web, Some("one.test".into()));
        assert_eq!(status.serves_other_site("two.test"), None);
        status.publish_other_site("two.test", Fit::Refused(RelationKind::Newer, "not migrated".into()));
        assert_eq!(status.serves_other_site("two.test"), Some(false));
        let document = status.read().status();
        assert_eq!(document["other_sites"][0]["site"], "two.test");
        assert_eq!(document["other_sites"][0]["problem"], "not migrated");
        status.publish_other_site("two.test", Fit::Served(RelationKind::Equal));
        assert_eq!(status.serves_other_site("two.test"), Some(true));
        status.retain_other_sites(&BTreeSet::new());
        assert_eq!(status.serves_other_site("two.test"), None);
    }
}
