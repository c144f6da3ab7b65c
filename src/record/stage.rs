//! The order of a migration. A pure function; the I/O is in `migrate::run`.
//!
//! ```text
//!          begin           done           done            done              done             done
//!   Open ────────▶ Checking ──▶ BackingUp ──▶ Draining ──▶ Maintenance ──▶ Migrating ──▶ Finishing ──▶ Open
//!    ▲               ▲   │          │ no-op ─────────────────────────────▶  │
//!    │ begin again   │   │          │            │               │          │ failed after a change,
//!    │            Failed ◀─ again ──┴────────────┴───────────────┴──────────┤ or its leader is gone
//!    │               │   failed, or its leader is gone                      │
//!    └───────────────┴──────────────────────────────────────────────────────┘
//!      lifted (a restore, off --force)      failed before a change
//! ```
//!
//! Up to the first change of the database every failure leads back to Open: the old version goes on.
//! After it (*interrupted*) there is no way back but a migration that ends well, a restore, or an operator's
//! word. A *no-op* has no pending patch and no changed DocType: it takes no maintenance and holds nobody.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nobody migrates.
    #[default]
    Open,
    Checking,
    BackingUp,
    /// Workers are told to stop; web serves.
    Draining,
    Maintenance,
    Migrating,
    /// It is migrated, and recorded; caches, web, maintenance, workers.
    Finishing,
    /// Half a migration: maintenance stays.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Begin,
    Done,
    /// The present stage could not be brought to its end.
    Failed {
        /// The database may have been changed.
        changed: bool,
    },
    /// Another leader finds what was left.
    Orphaned,
    /// An operator's word, or a restored database.
    Lifted,
}

/// What kind of migration it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// Nothing is pending.
    pub no_op: bool,
    /// An earlier one changed the database and did not end.
    pub interrupted: bool,
}

/// The next stage.
pub fn on_event(stage: Stage, kind: Kind, event: Event) -> Stage {
    use Stage::{BackingUp, Checking, Draining, Failed, Finishing, Maintenance, Migrating, Open};
    match (stage, event) {
        (Open | Failed, Event::Begin) => Checking,
        // What was saved before the first change is the one to go back to.
        (Checking, Event::Done) if kind.interrupted => Draining,
        (Checking, Event::Done) => BackingUp,
        (BackingUp, Event::Done) if kind.no_op => Migrating,
        (BackingUp, Event::Done) => Draining,
        (Draining, Event::Done) => Maintenance,
        (Maintenance, Event::Done) => Migrating,
        (Migrating, Event::Done) => Finishing,
        (Finishing, Event::Done) | (_, Event::Lifted) => Open,
        (stage, Event::Begin | Event::Done) => stage,
        // It is migrated, and recorded: everybody is still to be told.
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
    /// No job may begin. A leader that is gone holds nobody, unless it left half a migration, or may have.
    pub fn holds_workers(self, kind: Kind, leader_is_alive: bool) -> bool {
        match self {
            Self::Failed => true,
            Self::Open => false,
            _ if kind.interrupted => true,
            Self::Checking | Self::BackingUp => false,
            Self::Draining | Self::Finishing => !kind.no_op && leader_is_alive,
            Self::Maintenance | Self::Migrating => !kind.no_op,
        }
    }

    /// As `/status`, the log and the commands have it.
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

    /// The value of the metric's label: the one place where its words are joined.
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
    fn the_three_ways() {
        use Stage::{BackingUp, Checking, Draining, Failed, Finishing, Maintenance, Migrating, Open};
        let whole = [Checking, BackingUp, Draining, Maintenance, Migrating, Finishing, Open];
        assert_eq!(walk(Open, WHOLE), whole);
        assert_eq!(walk(Open, NO_OP), [Checking, BackingUp, Migrating, Finishing, Open]);
        assert_eq!(walk(Failed, INTERRUPTED), [Checking, Draining, Maintenance, Migrating, Finishing, Open]);
        assert!(!walk(Open, NO_OP).iter().any(|stage| stage.holds_workers(NO_OP, true)));
        assert!(walk(Failed, INTERRUPTED)[..5].iter().all(|stage| stage.holds_workers(INTERRUPTED, false)));
    }

    #[test]
    fn before_the_first_change_every_failure_leads_back() {
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
    fn after_it_nothing_but_an_end_or_a_word_does() {
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
    fn a_dead_leaders_hold_ends_unless_tables_may_be_half_migrated() {
        let holds = |stage: Stage, alive| stage.holds_workers(WHOLE, alive);
        assert!(holds(Stage::Draining, true) && !holds(Stage::Draining, false));
        assert!(holds(Stage::Migrating, false) && holds(Stage::Failed, false));
        assert!(!holds(Stage::Checking, true) && !holds(Stage::BackingUp, true));
    }
}
