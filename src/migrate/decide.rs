//! Whether this code is migrated to: decided here, executed by `run`, shown by `plan` and `doctor`. A pure function;
//! its table is its test.
//!
//! ```text
//!   a leader that gives signs of life migrates           ─▶ Wait
//!   a migration was interrupted, and this is not Newer   ─▶ Refuse: Interrupted
//!   Equal, unless `always`                               ─▶ Serve
//!   RolledBack                                           ─▶ ServeRolledBack
//!   Incomplete                                           ─▶ Refuse: Incomplete
//!   Older, Unknown, unless CAULDRON_ALLOW_DOWNGRADE
//!   names this code and this database                    ─▶ Refuse: NotNewer
//!   tried often enough, unless `retry`                   ─▶ Refuse: GaveUp
//!   else                                                 ─▶ Migrate; a no-op where nothing is pending
//!                                                           and nothing was interrupted
//! ```

use super::admit::Standing;
use super::refusal::{self, Refusal};
use crate::code::relation::Relation;
use crate::record::migrations::{Gate, Tried};
use crate::record::stage::{Event, Stage};
use crate::status::gate::RunningMigration;

/// Everything that was read of code, record and tables.
pub struct Assessment {
    pub standing: Standing,
    /// The fingerprint that the database was migrated to last.
    pub recorded: Option<String>,
    /// As it is on record.
    pub gate: Gate,
    /// How often this code was tried.
    pub tried: Tried,
    /// Another leader's migration; none for who holds the lock.
    pub running: Option<RunningMigration>,
}

/// What is asked of the gate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The site was never seen finished: migrate runs whatever the fingerprint says.
    pub always: bool,
    /// An operator grants new attempts.
    pub retry: bool,
    /// CAULDRON_ALLOW_DOWNGRADE: code and database of which an operator says that it may be migrated all the same.
    pub allow_downgrade: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is nothing to migrate.
    Serve,
    /// This code was migrated away from.
    ServeRolledBack,
    Migrate {
        /// Nothing is pending: no maintenance, and nobody is stopped.
        no_op: bool,
        /// Why it would be refused without CAULDRON_ALLOW_DOWNGRADE.
        downgrade: Option<String>,
    },
    /// A leader is at it.
    Wait(RunningMigration),
    Refuse(Refusal),
}

/// What a leader with this code does.
pub fn decide(seen: &Assessment, request: &Request<'_>) -> Decision {
    if let Some(running) = &seen.running {
        return Decision::Wait(running.clone());
    }
    let gate = settled(&seen.gate);
    let relation = &seen.standing.relation;
    if gate.is_half_done() && *relation != Relation::Newer {
        return Decision::Refuse(Refusal::Interrupted(gate.remedy()));
    }
    let downgrade = match relation {
        Relation::Equal if !request.always => return Decision::Serve,
        Relation::RolledBack => return Decision::ServeRolledBack,
        Relation::Incomplete(why) => return Decision::Refuse(Refusal::Incomplete(why.clone())),
        Relation::Older(why) | Relation::Unknown(why) => {
            let id = seen.id();
            if request.allow_downgrade != Some(id.as_str()) {
                return Decision::Refuse(Refusal::NotNewer { why: why.clone(), id });
            }
            Some(why.clone())
        }
        Relation::Equal | Relation::Newer => None,
    };
    if let Some(refusal) = Refusal::if_tried_often_enough(&gate, &seen.tried).filter(|_| !request.retry) {
        return Decision::Refuse(refusal);
    }
    Decision::Migrate {
        no_op: !seen.standing.evidence.is_anything_pending() && !gate.is_half_done(),
        downgrade,
    }
}

/// The gate as the next leader has it, when it has put in order what the one before left.
pub fn settled(gate: &Gate) -> Gate {
    let mut gate = gate.clone();
    match gate.stage {
        Stage::Open | Stage::Failed => {}
        Stage::Finishing => gate.on_event(Event::Done),
        _ => {
            gate.on_event(Event::Orphaned);
            if gate.is_half_done() {
                gate.error.get_or_insert("its leader was gone in the middle of it".into());
            }
        }
    }
    gate
}

impl Assessment {
    /// What CAULDRON_ALLOW_DOWNGRADE has to say.
    pub fn id(&self) -> String {
        refusal::id(&self.standing.fingerprint, self.recorded.as_deref())
    }
}

impl Decision {
    /// For `plan` and `doctor`.
    pub fn text(&self) -> String {
        match self {
            Self::Serve => "serve: nothing is to be migrated".into(),
            Self::ServeRolledBack => "serve as a rollback, and never migrate".into(),
            Self::Migrate { no_op: true, .. } => "migrate; nothing is pending, so nobody is stopped".into(),
            Self::Migrate { no_op: false, .. } => "migrate".into(),
            Self::Wait(running) => format!("wait: {running}"),
            Self::Refuse(refusal) => {
                let fault = refusal.fault();
                format!("refuse ({}): {}", fault.code, fault.cause)
            }
        }
    }

    pub fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refuse(refusal) = self { Some(refusal) } else { None }
    }
}

#[cfg(test)]
mod tests;
