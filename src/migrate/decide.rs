//! Decides whether this code is migrated to. `run` executes the decision, `plan` and `doctor` show it. A pure function;
//! its table is its test.
//!
//! ```text
//!   a leader with a fresh heartbeat migrates             ─▶ Wait
//!   a migration was interrupted, and this is not Newer   ─▶ Refuse: Interrupted
//!   Equal, unless `always`                               ─▶ Serve
//!   RolledBack                                           ─▶ ServeRolledBack
//!   Incomplete                                           ─▶ Refuse: Incomplete
//!   Older, Unknown, unless CAULDRON_ALLOW_DOWNGRADE
//!   names this code and this database                    ─▶ Refuse: NotNewer
//!   attempts used up, unless `retry`                     ─▶ Refuse: GaveUp
//!   else                                                 ─▶ Migrate; a no-op where nothing is pending
//!                                                           and nothing was interrupted
//! ```

use super::admit::Standing;
use super::refusal::{self, MigrationRefusal};
use crate::code::relation::Relation;
use crate::record::gate::Gate;
use crate::record::migrations::AttemptHistory;
use crate::record::stage::{Event, Stage};
use crate::status::gate::RunningMigration;

/// Everything that was read of code, record and tables.
pub struct Assessment {
    pub standing: Standing,
    /// The fingerprint that the database was migrated to last.
    pub recorded: Option<String>,
    /// The migration's state on record.
    pub gate: Gate,
    /// The attempts with this code.
    pub tried: AttemptHistory,
    /// Another leader's migration; None for the holder of the lock.
    pub running: Option<RunningMigration>,
}

/// The options of the decision.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Migrate whatever the fingerprint: the site was never recorded as finished.
    pub always: bool,
    /// An operator grants new attempts.
    pub retry: bool,
    /// CAULDRON_ALLOW_DOWNGRADE: the code and the database for which an operator allows the migration anyway.
    pub allow_downgrade: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing has to be migrated.
    Serve,
    /// This code was migrated away from.
    ServeRolledBack,
    Migrate {
        /// Nothing is pending: no maintenance, and no requests or jobs are stopped.
        no_op: bool,
        /// The reason why it would be refused without CAULDRON_ALLOW_DOWNGRADE.
        downgrade: Option<String>,
    },
    /// Another leader migrates.
    Wait(RunningMigration),
    Refuse(MigrationRefusal),
}

/// Decides what a leader with this code does.
pub fn decide(seen: &Assessment, request: &Request<'_>) -> Decision {
    if let Some(running) = &seen.running {
        return Decision::Wait(running.clone());
    }
    let gate = recovered(&seen.gate);
    let relation = &seen.standing.relation;
    if gate.is_interrupted() && *relation != Relation::Newer {
        return Decision::Refuse(MigrationRefusal::Interrupted(gate.remedy()));
    }
    let downgrade = match relation {
        Relation::Equal if !request.always => return Decision::Serve,
        Relation::RolledBack => return Decision::ServeRolledBack,
        Relation::Incomplete(why) => return Decision::Refuse(MigrationRefusal::Incomplete(why.clone())),
        Relation::Older(why) | Relation::Unknown(why) => {
            let id = seen.id();
            if request.allow_downgrade != Some(id.as_str()) {
                return Decision::Refuse(MigrationRefusal::NotNewer { why: why.clone(), id });
            }
            Some(why.clone())
        }
        Relation::Equal | Relation::Newer => None,
    };
    if let Some(refusal) =
        MigrationRefusal::if_attempts_exhausted(&gate, &seen.tried).filter(|_| !request.retry)
    {
        return Decision::Refuse(refusal);
    }
    Decision::Migrate {
        no_op: !seen.standing.evidence.is_anything_pending() && !gate.is_interrupted(),
        downgrade,
    }
}

/// Returns the migration's state after the next leader has cleaned up what the previous one left.
pub fn recovered(gate: &Gate) -> Gate {
    let mut gate = gate.clone();
    match gate.stage {
        Stage::Open | Stage::Failed => {}
        Stage::Finishing => gate.on_event(Event::Done),
        _ => {
            gate.on_event(Event::Orphaned);
            if gate.is_interrupted() {
                gate.error.get_or_insert("its leader died during the migration".into());
            }
        }
    }
    gate
}

impl Assessment {
    /// Returns the value that CAULDRON_ALLOW_DOWNGRADE needs.
    pub fn id(&self) -> String {
        refusal::id(&self.standing.fingerprint, self.recorded.as_deref())
    }
}

impl Decision {
    /// The text for `plan` and `doctor`.
    pub fn text(&self) -> String {
        match self {
            Self::Serve => "serve: nothing to migrate".into(),
            Self::ServeRolledBack => "serve as rolled-back code; never migrate".into(),
            Self::Migrate { no_op: true, .. } => {
                "migrate; nothing is pending, so no requests or jobs are stopped".into()
            }
            Self::Migrate { no_op: false, .. } => "migrate".into(),
            Self::Wait(running) => format!("wait: {running}"),
            Self::Refuse(refusal) => {
                let fault = refusal.fault();
                format!("refuse ({}): {}", fault.code, fault.cause)
            }
        }
    }

    pub fn refusal(&self) -> Option<&MigrationRefusal> {
        if let Self::Refuse(refusal) = self { Some(refusal) } else { None }
    }
}

#[cfg(test)]
mod tests;
