//! The migration gate's part of the status.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::record::stage::Stage;

/// The known relation of code and database, and the migration.
#[derive(Clone, Debug, Default)]
pub struct GateStatus {
    /// The fingerprint of this pod's code.
    pub pod: Option<String>,
    /// The fingerprint that the database was last migrated to.
    pub database: Option<String>,
    pub relation: Option<RelationKind>,
    /// None until our record is read.
    pub stage: Option<Stage>,
    /// The reason why this pod should get no requests.
    pub problem: Option<String>,
    /// A running migration of ours; it does not make a serving pod unready.
    pub running: Option<RunningMigration>,
    /// The progress of the migration that this pod runs.
    pub progress: Option<Progress>,
}

/// The relation of this pod's code to a database, as shown in `/status`, `/metrics` and the log. The full relation,
/// with its reasons, is `code::relation::Relation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    Equal,
    Newer,
    /// Older, rolled back, or incomplete code: it never migrates.
    Older,
    Unknown,
}

impl RelationKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Newer => "newer",
            Self::Older => "older",
            Self::Unknown => "unknown",
        }
    }
}

/// A migration that another pod runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningMigration {
    /// The pod's name in the record.
    pub holder: Option<String>,
    /// The pod's report: the text of the database's column `doing`.
    pub reported: String,
}

impl fmt::Display for RunningMigration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = self.holder.as_deref().unwrap_or("a pod");
        write!(f, "{holder} migrates the site: {}", self.reported)
    }
}

/// The progress of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub patches: usize,
    /// The patch that runs.
    pub patch: Option<String>,
    pub since: Instant,
    /// The remaining time from `since` on, estimated from the history.
    pub left: Option<Duration>,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} patches", self.done, self.patches)?;
        if let Some(patch) = &self.patch {
            write!(f, ", {patch}")?;
        }
        if let Some(left) = self.left.filter(|left| !left.is_zero()) {
            write!(f, ", about {} s left", left.as_secs().max(1))?;
        }
        Ok(())
    }
}

impl GateStatus {
    /// The `fingerprint` object of `/status` (docs/design.md#fingerprint).
    pub fn fingerprint(&self) -> Value {
        let relation = self.relation.unwrap_or(RelationKind::Unknown).as_str();
        json!({"pod": self.pod, "database": self.database, "relation": relation})
    }

    /// The `gate` object of `/status`.
    pub fn status(&self) -> Value {
        let progress = self.progress.as_ref().map(|progress| {
            json!({
                "patches": progress.patches, "done": progress.done, "patch": progress.patch,
                "running_s": progress.patch.as_ref().map(|_| progress.since.elapsed().as_secs()),
                "left_s": progress.left.map(|left| left.saturating_sub(progress.since.elapsed()).as_secs()),
            })
        });
        let stage = self.stage.map(Stage::as_str).unwrap_or_default();
        let running = self.running.as_ref().map(ToString::to_string);
        json!({"stage": stage, "problem": self.problem, "running": running, "progress": progress})
    }
}
