//! The stages of a migration. A pure function; the I/O is in `migrate::run`.
//!
//! ```text
//!          begin           done           done            done              done             done
//!   Open ────────▶ Checking ──▶ BackingUp ──▶ Draining ──▶ Maintenance ──▶ Migrating ──▶ Finishing ──▶ Open
//!    ▲               ▲   │          │ no-op ─────────────────────────────▶  │
//!    │ begin again   │   │          │            │               │          │ failed after a change,
//!    │            Failed ◀─ again ──┴────────────┴───────────────┴──────────┤ or its leader died
//!    │               │   failed, or its leader died                         │
//!    └───────────────┴──────────────────────────────────────────────────────┘
//!      lifted (a restore, off --force)      failed before a change
//! ```
//!
//! Until the first change of the database every failure leads back to Open: the old version keeps serving.
//! After it (*interrupted*) only a migration that succeeds, a restore, or an operator's command leads back.
//! A *no-op* has no pending patch and no changed DocType: it sets no maintenance mode and pauses no worker.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// No migration runs.
    #[default]
    Open,
    Checking,
    BackingUp,
    /// Workers stop; the web role serves.
    Draining,
    Maintenance,
    Migrating,
    /// The migration is done and recorded; caches, web, maintenance mode and workers follow.
    Finishing,
    /// The migration is interrupted: maintenance mode stays on.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Begin,
    Done,
    /// The present stage failed.
    Failed {
        /// The database may have been changed.
        changed: bool,
    },
    /// A new leader found the migration of a leader that died.
    Orphaned,
    /// An operator lifted maintenance, or a database was restored.
    Lifted,
}

/// The properties of a migration that decide which stages it passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// Nothing is pending.
    pub no_op: bool,
    /// An earlier migration changed the database and did not finish.
    pub interrupted: bool,
}

/// The next stage.
pub fn on_event(stage: Stage, kind: Kind, event: Event) -> Stage {
    use Stage::{BackingUp, Checking, Draining, Failed, Finishing, Maintenance, Migrating, Open};
    match (stage, event) {
        (Open | Failed, Event::Begin) => Checking,
        // The backup from before the first change is the one to restore.
        (Checking, Event::Done) if kind.interrupted => Draining,
        (Checking, Event::Done) => BackingUp,
        (BackingUp, Event::Done) if kind.no_op => Migrating,
        (BackingUp, Event::Done) => Draining,
        (Draining, Event::Done) => Maintenance,
        (Maintenance, Event::Done) => Migrating,
        (Migrating, Event::Done) => Finishing,
        (Finishing, Event::Done) | (_, Event::Lifted) => Open,
        (stage, Event::Begin | Event::Done) => stage,
        // The migration is recorded: the other pods still have to be notified.
        (Finishing, Event::Failed { .. } | Event::Orphaned) => Finishing,
        (Migrating, Event::Failed { changed: true } | Event::Orphaned) if !kind.no_op => Failed,
        (Open, _) => Open,
        (_, Event::Failed { .. } | Event::Orphaned) => {
            if kind.interrupted {
                Failed
            } else {
                Open
            }
        }
    }
}

impl Stage {
    /// True if no job may begin. A dead leader pauses no worker, unless its migration is interrupted, or may be.
    pub fn pauses_workers(self, kind: Kind, leader_is_alive: bool) -> bool {
        match self {
            Self::Failed => true,
            Self::Open => false,
            _ if kind.interrupted => true,
            Self::Checking | Self::BackingUp => false,
            Self::Draining | Self::Finishing => !kind.no_op && leader_is_alive,
            Self::Maintenance | Self::Migrating => !kind.no_op,
        }
    }

    /// The name in `/status`, the log and the commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Checking => "checking",
            Self::BackingUp => "backing up",
            Self::Draining => "draining",
            Self::Maintenance => "maintenance",
            Self::Migrating => "migrating",
            Self::Finishing => "finishing",
            Self::Failed => "failed",
        }
    }

    /// The value of the metric's label, without spaces.
    pub fn label(self) -> &'static str {
        match self {
            Self::BackingUp => "backing_up",
            other => other.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Kind = Kind { no_op: false, interrupted: false };
    const NO_OP: Kind = Kind { no_op: true, interrupted: false };
    const INTERRUPTED: Kind = Kind { no_op: false, interrupted: true };

    fn walk(from: Stage, kind: Kind) -> Vec<Stage> {
        let mut stages = vec![on_event(from, kind, Event::Begin)];
        while let Some(stage) = stages.last().filter(|stage| **stage != Stage::Open) {
            stages.push(on_event(*stage, kind, Event::Done));
        }
        stages
    }

    #[test]
    fn each_kind_of_migration_passes_its_stages() {
        use Stage::{BackingUp, Checking, Draining, Failed, Finishing, Maintenance, Migrating, Open};
        let whole = [Checking, BackingUp, Draining, Maintenance, Migrating, Finishing, Open];
        assert_eq!(walk(Open, WHOLE), whole);
        assert_eq!(walk(Open, NO_OP), [Checking, BackingUp, Migrating, Finishing, Open]);
        assert_eq!(walk(Failed, INTERRUPTED), [Checking, Draining, Maintenance, Migrating, Finishing, Open]);
        assert!(!walk(Open, NO_OP).iter().any(|stage| stage.pauses_workers(NO_OP, true)));
        assert!(walk(Failed, INTERRUPTED)[..5].iter().all(|stage| stage.pauses_workers(INTERRUPTED, false)));
    }

    #[test]
    fn before_the_first_change_every_failure_leads_back_to_open() {
        use Stage::{BackingUp, Checking, Draining, Maintenance, Migrating};
        for stage in [Checking, BackingUp, Draining, Maintenance, Migrating] {
            assert_eq!(on_event(stage, WHOLE, Event::Failed { changed: false }), Stage::Open);
        }
        for stage in [Checking, BackingUp, Draining, Maintenance] {
            assert_eq!(on_event(stage, WHOLE, Event::Orphaned), Stage::Open, "{stage:?}");
        }
        assert_eq!(on_event(Migrating, NO_OP, Event::Failed { changed: true }), Stage::Open);
    }

    #[test]
    fn after_the_first_change_only_success_or_an_operator_leads_back_to_open() {
        use Stage::{Checking, Draining, Failed, Finishing, Maintenance, Migrating};
        assert_eq!(on_event(Migrating, WHOLE, Event::Failed { changed: true }), Failed);
        assert_eq!(on_event(Migrating, WHOLE, Event::Orphaned), Failed);
        for stage in [Checking, Draining, Maintenance, Migrating, Failed] {
            for event in [Event::Orphaned, Event::Failed { changed: false }, Event::Failed { changed: true }]
            {
                assert_eq!(on_event(stage, INTERRUPTED, event), Failed, "{stage:?} {event:?}");
            }
            assert_eq!(on_event(stage, INTERRUPTED, Event::Lifted), Stage::Open);
        }
        assert_eq!(on_event(Finishing, WHOLE, Event::Orphaned), Finishing, "it is recorded");
    }

    #[test]
    fn a_dead_leaders_pause_ends_unless_the_tables_may_be_half_migrated() {
        let pauses = |stage: Stage, alive| stage.pauses_workers(WHOLE, alive);
        assert!(pauses(Stage::Draining, true) && !pauses(Stage::Draining, false));
        assert!(pauses(Stage::Migrating, false) && pauses(Stage::Failed, false));
        assert!(!pauses(Stage::Checking, true) && !pauses(Stage::BackingUp, true));
    }
}
