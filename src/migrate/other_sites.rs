//! The other sites of the bench, which this program serves but does not migrate: whether this code fits their tables.
//!
//! ```text
//!   the requests are answered (`service`)    ─▶ Served
//!   they are not                             ─▶ Refused      503, until `bench --site SITE migrate`
//!   database unreadable, or exclusive lock   ─▶ Unknown      503, until it can be examined
//! ```
//!
//! New code on a site that was not migrated would write data that the old tables cannot hold.

mod examine;
pub mod follow;
pub mod refused;

pub use self::examine::{Examiner, Packages};

use super::service::{self, Whose};
use crate::code::relation::{Evidence, Relation};
use crate::status::other_sites::Fit;

/// Decides whether the site is served.
pub fn fit(relation: &Relation, seen: &Evidence) -> Fit {
    match (service::refusal(Whose::Another, relation, seen), relation) {
        (Some(why), _) => Fit::Refused(relation.kind(), why),
        // Nothing is pending.
        (None, Relation::Newer) => Fit::Served(Relation::Equal.kind()),
        (None, _) => Fit::Served(relation.kind()),
    }
}
