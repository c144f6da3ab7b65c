//! The migration gate's part of the account.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What is known of code and database.
#[derive(Clone, Debug, Default)]
pub struct GateAccount {
    /// Of this pod's code.
    pub pod: Option<String>,
    /// What the database was migrated to last.
    pub database: Option<String>,
    /// equal, newer, older or unknown.
    pub relation: Option<&'static str>,
    pub stage: &'static str,
    /// Why this pod is not to get requests.
    pub problem: Option<String>,
    /// Our own running migration, in words: it takes no serving pod out.
    pub running: Option<String>,
    /// Of the migration that this pod runs.
    pub progress: Option<Progress>,
}

/// How far a migration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub patches: usize,
    /// The one that runs.
    pub patch: Option<String>,
    pub since: Instant,
    /// From `since` on, estimated from the history.
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

impl GateAccount {
    /// DESIGN's `fingerprint`.
    pub fn fingerprint(&self) -> Value {
        json!({"pod": self.pod, "database": self.database, "relation": self.relation.unwrap_or("unknown")})
    }

    /// `/status` has more of it.
    pub fn status(&self) -> Value {
        let progress = self.progress.as_ref().map(|progress| {
            json!({
                "patches": progress.patches, "done": progress.done, "patch": progress.patch,
                "running_s": progress.patch.as_ref().map(|_| progress.since.elapsed().as_secs()),
                "left_s": progress.left.map(|left| left.saturating_sub(progress.since.elapsed()).as_secs()),
            })
        });
        json!({"stage": self.stage, "problem": self.problem, "running": self.running, "progress": progress})
    }
}
