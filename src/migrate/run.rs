//! The leader executes what `decide` says: from there to a site that is migrated, or to what keeps it from that. The
//! order of the stages is `record::stage`'s; every stage is on record before anything of it is done.

mod attempt;

use std::time::{Duration, Instant};

use secrecy::SecretString;

use self::attempt::Attempt;
use super::admit::{assess_as_leader, tell_rolled_back};
use super::decide::{Decision, Request, decide, settled};
use super::hold::{Hold, Queues};
use super::maintenance;
use super::refusal::Refusal;
use crate::code::Code;
use crate::code::relation::Relation;
use crate::frappe::installed_apps::installed_apps;
use crate::leader::backup;
use crate::leader::context::{OverlayContext, Purpose};
use crate::leader::lock::Leadership;
use crate::leader::own::Own;
use crate::outcome::{Fault, Flow, Result, Stopped};
use crate::postgres::sql::sql_fault;
use crate::record::migrations::{self, Gate, Migrated};
use crate::record::stage::Stage;
use crate::record::state::{self, State};
use crate::record::volume::Volume;
use crate::status::operation::Operation;

/// Before the second attempt and the third.
const PAUSES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];

/// How migrate gets into the site's database.
pub struct Access<'a> {
    pub own: &'a Own,
    pub password: &'a SecretString,
    /// PGOPTIONS may be given to a session of migrate's.
    pub accepts_settings: bool,
}

/// How the leader comes out of it.
#[derive(Debug)]
pub enum Outcome {
    /// It may serve.
    Open,
    /// An interrupted migration, of other code: it comes up, and says what can be done.
    Blocked(String),
    /// It was tried often enough.
    GaveUp(Fault),
}

/// Brings the database to this code, if that is this code's to do. `always` where the site was never seen finished:
/// migrate runs whatever the fingerprint says.
///
/// # Errors
/// 65 for code that is older, or not known to be newer; the signal that asked for a stop; the loss of the lock.
pub async fn migrate(
    context: &OverlayContext<'_>,
    leadership: &Leadership,
    volume: &Volume,
    access: &Access<'_>,
    always: bool,
) -> Flow<Outcome> {
    let client = leadership.client();
    let state = state::read(client, context.site).await.map_err(sql_fault("cannot read our state"))?;
    let state = state.ok_or_else(|| Fault::try_again("our record of the site is gone", "start again"))?;
    let mut run = Run { context, leadership, volume, access, gate: state.gate.clone(), hold: None };
    if !state.of_these_tables {
        migrations::begin_anew(client, context.site, &run.gate).await?;
    }
    run.settle().await?;
    let state = State { gate: run.gate.clone(), ..state };
    let seen = assess_as_leader(context, client, &state).await?;
    let retry = context.purpose == Purpose::Migrate { retry: true };
    let request = Request { always, retry, allow_downgrade: context.pod.config.allow_downgrade.as_deref() };
    let (fingerprint, evidence) = (&seen.standing.fingerprint, &seen.standing.evidence);
    let no_op = match decide(&seen, &request) {
        Decision::Serve => {
            tracing::info!(site = context.site, "the site is there; nothing to do");
            return Ok(Outcome::Open);
        }
        Decision::ServeRolledBack => {
            tell_rolled_back(fingerprint, seen.recorded.as_deref());
            return Ok(Outcome::Open);
        }
        Decision::Wait(running) => {
            return Err(Fault::try_again(running.to_string(), "wait for its end, or stop that pod").into());
        }
        Decision::Refuse(Refusal::Interrupted(remedy)) => {
            tracing::error!(remedy, "half a migration is in the way");
            return Ok(Outcome::Blocked(remedy));
        }
        Decision::Refuse(refusal @ Refusal::GaveUp { .. }) => return Ok(Outcome::GaveUp(refusal.fault())),
        Decision::Refuse(refusal) => return Err(refusal.fault().into()),
        Decision::Migrate { no_op, downgrade } => {
            if let Some(why) = downgrade {
                tracing::warn!(
                    why,
                    id = seen.id(),
                    "migrating all the same, as CAULDRON_ALLOW_DOWNGRADE says"
                );
            }
            no_op
        }
    };
    if retry {
        migrations::forget_attempts(client, context.site, fingerprint).await?;
    }
    run.try_often_enough(&Attempt { fingerprint, released: &seen.standing.released, evidence, no_op }).await
}

/// Has the record say what the tables of a site are that was just made, or mended.
pub async fn record_as_made(context: &OverlayContext<'_>, leadership: &Leadership) -> Result<()> {
    let client = leadership.client();
    let code = Code::look(&context.overlay).await?;
    let installed = installed_apps(client).await?;
    let fingerprint = code.fingerprint(&installed);
    let released = code.released(&installed);
    let made = Migrated { fingerprint: &fingerprint, released: &released, took_ms: 0, patches: 0 };
    migrations::record_migrated(client, context.site, &made, &Gate::default()).await?;
    context.pod.status.update(|status| {
        status.gate.pod = Some(fingerprint.clone());
        status.gate.database = Some(fingerprint);
        status.gate.relation = Some(Relation::Equal.kind());
    });
    Ok(())
}

/// The gate in the hands of the leader.
struct Run<'a> {
    context: &'a OverlayContext<'a>,
    leadership: &'a Leadership,
    volume: &'a Volume,
    access: &'a Access<'a>,
    gate: Gate,
    hold: Option<Hold>,
}

impl Run<'_> {
    /// What a leader before us left: the lock is ours, so nobody migrates.
    async fn settle(&mut self) -> Flow<()> {
        match self.gate.stage {
            Stage::Open if self.gate.maintenance_ours => Ok(self.reopen().await?),
            Stage::Open | Stage::Failed => Ok(()),
            Stage::Finishing => {
                tracing::info!("finishing what an earlier leader had migrated");
                self.finish().await
            }
            stage => {
                self.gate = settled(&self.gate);
                tracing::warn!(
                    stage = stage.as_str(),
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
            if let Some(queues) = Queues::of(&self.context.pod.config, self.context.site) {
                queues.open().await;
            }
        }
        self.write().await
    }

    async fn write(&self) -> Result<()> {
        let stage = self.gate.stage;
        tracing::debug!(stage = stage.as_str(), "the gate");
        self.context.pod.status.update(|status| status.gate.stage = Some(stage));
        migrations::write_gate(self.leadership.client(), self.context.site, &self.gate).await
    }

    async fn enter_maintenance(&mut self) -> Result<()> {
        let (bench, site) = (&self.context.pod.bench, self.context.site);
        // On record before it is done: whoever comes later takes away what is ours, and nothing else.
        self.gate.maintenance_ours |= !maintenance::is_on(bench, site);
        self.write().await?;
        maintenance::set(&bench.site(site), true).await
    }

    async fn leave_maintenance(&mut self) -> Result<()> {
        if std::mem::take(&mut self.gate.maintenance_ours) {
            maintenance::set(&self.context.pod.bench.site(self.context.site), false).await?;
        }
        Ok(())
    }

    async fn try_often_enough(&mut self, attempt: &Attempt<'_>) -> Flow<Outcome> {
        let (client, site) = (self.leadership.client(), self.context.site);
        loop {
            let tried = migrations::tried(client, site, attempt.fingerprint).await?;
            if let Some(refusal) = Refusal::if_tried_often_enough(&self.gate, &tried) {
                return Ok(Outcome::GaveUp(refusal.fault()));
            }
            self.pause(&tried).await?;
            let number = migrations::count_attempt(client, site, attempt.fingerprint).await?;
            let fault = match self.attempt(attempt, number).await {
                Ok(()) => return Ok(Outcome::Open),
                Err(Stopped::Signal(signal)) => {
                    migrations::give_attempt_back(client, site, attempt.fingerprint)
                        .await
                        .map_err(sql_fault("cannot record the stop"))?;
                    return Err(Stopped::Signal(signal));
                }
                Err(Stopped::Fault(fault)) => fault,
            };
            self.context.pod.status.update(|status| status.last_error = Some(fault.cause.clone()));
            migrations::record_failure(client, site, attempt.fingerprint, &fault.cause).await?;
            let after = self.gate.is_half_done();
            tracing::error!(
                attempt = number,
                of = migrations::ATTEMPTS,
                cause = fault.cause,
                hint = fault.hint,
                after_a_change = after,
                "the migration failed"
            );
        }
    }

    /// Before the second attempt and the third, whichever pod makes them.
    async fn pause(&self, tried: &migrations::Tried) -> Flow<()> {
        let Some(pause) = usize::try_from(tried.attempts - 1).ok().and_then(|at| PAUSES.get(at)) else {
            return Ok(());
        };
        let since = Duration::from_secs(tried.last_attempt_s.unwrap_or(0).unsigned_abs());
        let left = pause.saturating_sub(since);
        let until = Instant::now() + left;
        let shutdown = &self.context.pod.shutdown;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.context.pod.status.begin(Operation::WaitingToRetry { left_s: left.as_secs() + 1 });
            self.context.pod.status.progress();
            let slice = left.min(Duration::from_secs(1));
            tokio::select! {
                () = tokio::time::sleep(slice) => {}
                signal = shutdown.stop_requested() => return Err(Stopped::Signal(signal)),
                fault = self.leadership.lost() => return Err(fault.into()),
            }
        }
        Ok(())
    }
}
