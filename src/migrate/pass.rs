//! The leader's way through the gate: from the relation to a site that is migrated, or to what keeps it
//! from that. The order is `order`'s; every stage is on record before anything of it is done.

mod attempt;

use std::time::{Duration, Instant};

use secrecy::SecretString;

use self::attempt::Attempt;
use super::admit::{Standing, blocked, standing, tell_rolled_back};
use super::evidence::installed_apps;
use super::hold::{Hold, Queues};
use super::{maintenance, refusal};
use crate::code::Code;
use crate::code::relation::Relation;
use crate::leader::backup;
use crate::leader::context::Context;
use crate::leader::lock::Leadership;
use crate::leader::own::Own;
use crate::outcome::{Fault, Result, Stopped};
use crate::postgres::sql::told;
use crate::record::migrations::{self, Gate, Migrated};
use crate::record::stage::{Event, Stage};
use crate::record::state;
use crate::record::volume::Volume;

/// Before the second attempt and the third.
const PAUSES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];

/// What is asked of the gate.
pub struct Demand<'a> {
    pub own: &'a Own,
    pub password: &'a SecretString,
    /// PGOPTIONS may be given to a session of migrate's.
    pub accepts_settings: bool,
    /// The site was never seen finished: migrate runs whatever the fingerprint says.
    pub always: bool,
    /// An operator grants new attempts.
    pub retry: bool,
}

/// How the leader comes out of it.
#[derive(Debug)]
pub enum Passed {
    /// It may serve.
    Open,
    /// Half a migration, of other code: it comes up, and says what can be done.
    Blocked(String),
    /// It was tried often enough.
    GaveUp(Fault),
}

/// Brings the database to this code, if that is this code's to do.
///
/// # Errors
/// 65 for code that is older, or not known to be newer; the signal that asked for a stop; the loss of the lock.
pub async fn pass(
    context: &Context<'_>,
    leadership: &Leadership,
    volume: &Volume,
    demand: &Demand<'_>,
) -> std::result::Result<Passed, Stopped> {
    let client = leadership.client();
    let state = state::read(client, context.site).await.map_err(told("cannot read our state"))?;
    let state = state.ok_or_else(|| Fault::try_again("our record of the site is gone", "start again"))?;
    let mut gate = Pass { context, leadership, volume, demand, gate: state.gate.clone(), hold: None };
    if !state.of_these_tables {
        migrations::begin_anew(client, context.site, &gate.gate).await?;
    }
    gate.settle().await?;
    let state = state::State { gate: gate.gate.clone(), ..state };
    let Standing { fingerprint, released, relation, evidence } = standing(context, client, &state).await?;
    if let Some(remedy) = blocked(&gate.gate, &relation) {
        tracing::error!(remedy, "half a migration is in the way");
        return Ok(Passed::Blocked(remedy));
    }
    let id = refusal::id(&fingerprint, state.fingerprint.as_deref());
    match &relation {
        Relation::Equal if !demand.always => {
            tracing::info!(site = context.site, "the site is there; nothing to do");
            return Ok(Passed::Open);
        }
        Relation::Equal | Relation::Newer => {}
        Relation::RolledBack => {
            tell_rolled_back(&fingerprint, state.fingerprint.as_deref());
            return Ok(Passed::Open);
        }
        Relation::Older(why) | Relation::Unknown(why)
            if context.config.allow_downgrade.as_deref() == Some(id.as_str()) =>
        {
            tracing::warn!(why, id, "migrating all the same, as CAULDRON_ALLOW_DOWNGRADE says");
        }
        Relation::Older(why) | Relation::Unknown(why) => return Err(refusal::fault(why, &id).into()),
        Relation::Incomplete(why) => return Err(refusal::incomplete(why).into()),
    }
    if demand.retry {
        migrations::forget_attempts(client, context.site, &fingerprint).await?;
    }
    let quiet = !evidence.is_anything_pending() && !gate.gate.is_half_done();
    let attempt = Attempt { fingerprint: &fingerprint, released: &released, evidence: &evidence, quiet };
    gate.try_often_enough(&attempt).await
}

/// Has the record say what the tables of a site are that was just made, or mended.
pub async fn record_as_made(context: &Context<'_>, leadership: &Leadership) -> Result<()> {
    let client = leadership.client();
    let code = Code::look(context.view()).await?;
    let installed = installed_apps(client).await?;
    let fingerprint = code.fingerprint(&installed);
    let released = code.released(&installed);
    let made = Migrated { fingerprint: &fingerprint, released: &released, took_ms: 0, patches: 0 };
    migrations::record_migrated(client, context.site, &made, &Gate::default()).await?;
    context.board.update(|account| {
        account.gate.pod = Some(fingerprint.clone());
        account.gate.database = Some(fingerprint);
        account.gate.relation = Some(Relation::Equal.word());
    });
    Ok(())
}

/// The gate in the hands of the leader.
struct Pass<'a> {
    context: &'a Context<'a>,
    leadership: &'a Leadership,
    volume: &'a Volume,
    demand: &'a Demand<'a>,
    gate: Gate,
    hold: Option<Hold>,
}

impl Pass<'_> {
    /// What a leader before us left: the lock is ours, so nobody migrates.
    async fn settle(&mut self) -> std::result::Result<(), Stopped> {
        match self.gate.stage {
            Stage::Open if self.gate.maintenance_ours => Ok(self.reopen().await?),
            Stage::Open | Stage::Failed => Ok(()),
            Stage::Finishing => {
                tracing::info!("finishing what an earlier leader had migrated");
                self.finish().await
            }
            stage => {
                self.gate.on_event(Event::Orphaned);
                if self.gate.is_half_done() {
                    self.gate.error.get_or_insert("its leader was gone in the middle of it".into());
                }
                tracing::warn!(
                    stage = stage.name(),
                    "an earlier leader was gone in the middle of a migration"
                );
                self.reopen().await?;
                Ok(())
            }
        }
    }

    /// Writes the stage; where it is Open, nobody is held any more. Written first: that the record takes it
    /// shows that the lock is still ours.
    async fn reopen(&mut self) -> Result<()> {
        if self.gate.stage == Stage::Open {
            self.write().await?;
            self.leave_maintenance().await?;
            self.hold = None;
            if let Some(queues) = Queues::of(self.context.config, self.context.site) {
                queues.open().await;
            }
        }
        self.write().await
    }

    async fn write(&self) -> Result<()> {
        let stage = self.gate.stage.name();
        tracing::debug!(stage, "the gate");
        self.context.board.update(|account| account.gate.stage = stage);
        migrations::write_gate(self.leadership.client(), self.context.site, &self.gate).await
    }

    async fn enter_maintenance(&mut self) -> Result<()> {
        let Context { bench, site, .. } = *self.context;
        // On record before it is done: whoever comes later takes away what is ours, and nothing else.
        self.gate.maintenance_ours |= !maintenance::is_on(bench, site);
        self.write().await?;
        maintenance::set(&bench.site(site), true).await
    }

    async fn leave_maintenance(&mut self) -> Result<()> {
        if std::mem::take(&mut self.gate.maintenance_ours) {
            maintenance::set(&self.context.bench.site(self.context.site), false).await?;
        }
        Ok(())
    }

    async fn try_often_enough(&mut self, attempt: &Attempt<'_>) -> std::result::Result<Passed, Stopped> {
        let (client, site) = (self.leadership.client(), self.context.site);
        loop {
            let tried = migrations::tried(client, site, attempt.fingerprint).await?;
            if tried.was_often_enough() {
                return Ok(Passed::GaveUp(refusal::gave_up(&self.gate, &tried)));
            }
            self.pause(&tried).await?;
            let number = migrations::count_attempt(client, site, attempt.fingerprint).await?;
            let fault = match self.attempt(attempt, number).await {
                Ok(()) => return Ok(Passed::Open),
                Err(Stopped::Signal(signal)) => {
                    migrations::give_attempt_back(client, site, attempt.fingerprint)
                        .await
                        .map_err(told("cannot record the stop"))?;
                    return Err(Stopped::Signal(signal));
                }
                Err(Stopped::Fault(fault)) => fault,
            };
            self.context.board.update(|account| account.last_error = Some(fault.cause.clone()));
            migrations::record_failure(client, site, attempt.fingerprint, &fault.cause).await?;
            let after = self.gate.is_half_done();
            tracing::error!(
                attempt = number,
                of = migrations::ATTEMPTS,
                cause = fault.cause,
                mend = fault.mend,
                after_a_change = after,
                "the migration failed"
            );
        }
    }

    /// Before the second attempt and the third, whichever pod makes them.
    async fn pause(&self, tried: &migrations::Tried) -> std::result::Result<(), Stopped> {
        let Some(pause) = usize::try_from(tried.attempts - 1).ok().and_then(|at| PAUSES.get(at)) else {
            return Ok(());
        };
        let since = Duration::from_secs(tried.last_attempt_s.unwrap_or(0).unsigned_abs());
        let left = pause.saturating_sub(since);
        let until = Instant::now() + left;
        let shutdown = self.context.shutdown;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            let detail = format!("migrates again in {} s", left.as_secs() + 1);
            self.context.board.update(|account| account.detail = detail);
            self.context.board.progress();
            let slice = left.min(Duration::from_secs(1));
            tokio::select! {
                () = tokio::time::sleep(slice) => {}
                signal = shutdown.asked() => return Err(Stopped::Signal(signal)),
                fault = self.leadership.lost() => return Err(fault.into()),
            }
        }
        Ok(())
    }
}
