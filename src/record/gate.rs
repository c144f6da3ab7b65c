//! The gate's state in our row of the site: where a migration stands, and what it left.

use serde::{Deserialize, Serialize};

use super::stage::{Event, Kind, Stage, on_event};

/// The present state of the gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gate {
    pub stage: Stage,
    /// Nothing is pending: no maintenance mode, no worker is paused.
    #[serde(rename = "quiet")]
    pub no_op: bool,
    /// An earlier migration changed the database and did not finish.
    #[serde(rename = "half")]
    pub interrupted: bool,
    /// The fingerprint that the migration leads to, or failed to reach.
    pub target: Option<String>,
    /// We set maintenance_mode, and an operator had not.
    pub maintenance_ours: bool,
    /// The backup that was taken before the migration.
    pub backup: Option<String>,
    /// The cause of the last failure.
    pub error: Option<String>,
}

impl Gate {
    /// Parses the column; unknown fields of other releases are ignored, and absent ones get their default.
    pub fn parse(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The gate after a restore replaced the tables: no migration is interrupted, but maintenance may still be on.
    pub fn after_a_restore(self) -> Self {
        let stage = if self.maintenance_ours { Stage::Finishing } else { Stage::Open };
        Self { stage, maintenance_ours: self.maintenance_ours, ..Self::default() }
    }

    pub fn kind(&self) -> Kind {
        Kind { no_op: self.no_op, interrupted: self.interrupted }
    }

    /// Advances to the next stage.
    pub fn on_event(&mut self, event: Event) {
        self.stage = on_event(self.stage, self.kind(), event);
        match self.stage {
            Stage::Failed => self.interrupted = true,
            Stage::Finishing | Stage::Open => self.interrupted = false,
            _ => {}
        }
    }

    /// True if the record forbids that jobs begin.
    pub fn pauses_workers(&self, leader_is_alive: bool) -> bool {
        self.stage.pauses_workers(self.kind(), leader_is_alive)
    }

    /// True if a migration changed the database and did not finish.
    pub fn is_interrupted(&self) -> bool {
        self.stage == Stage::Failed
    }

    /// One text for every report of an interrupted migration: the cause, and the remedies.
    pub fn remedy(&self) -> String {
        let backup = match &self.backup {
            Some(path) => format!(", a restore of {path}"),
            None => ", a restore of a backup".into(),
        };
        format!(
            "the migration to {} failed after it had changed the database: {}; maintenance mode stays on until \
             `cauldron-frappe migrate --retry` with that code{backup}, or `cauldron-frappe maintenance off --force`",
            self.target.as_deref().unwrap_or("-"),
            self.error.as_deref().unwrap_or("it was interrupted"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_of_another_release_is_read() {
        assert_eq!(Gate::parse(None), Gate::default());
        assert_eq!(Gate::parse(Some("{}")), Gate::default());
        let read = Gate::parse(Some(r#"{"stage": "failed", "target": "f", "new": 1}"#));
        assert!(read.stage == Stage::Failed && read.target.as_deref() == Some("f"));
        assert!(read.remedy().contains("--retry"));
    }

    #[test]
    fn the_fields_keep_the_names_that_the_previous_release_reads() {
        let gate = Gate { no_op: true, interrupted: true, ..Gate::default() };
        let text = serde_json::to_string(&gate).unwrap();
        assert!(text.contains(r#""quiet":true"#) && text.contains(r#""half":true"#), "{text}");
        assert_eq!(Gate::parse(Some(&text)), gate);
    }

    #[test]
    fn a_restored_database_has_no_half_done_migration_but_may_be_in_maintenance() {
        let failed = Gate { stage: Stage::Failed, maintenance_ours: true, ..Gate::default() };
        assert_eq!(failed.after_a_restore().stage, Stage::Finishing);
        let by_hand = Gate { stage: Stage::Failed, ..Gate::default() };
        assert_eq!(by_hand.after_a_restore(), Gate::default());
    }
}
