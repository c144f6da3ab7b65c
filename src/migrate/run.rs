//! Executes the decision of `decide` as the leader, until the site is migrated or the migration is refused.
//! `record::stage` defines the order of the stages; every stage is recorded before any of its work is done.

mod attempt;
mod retry;

use secrecy::SecretString;

use self::attempt::Attempt;
use super::admit::{assess_as_leader, log_rolled_back};
use super::decide::{Decision, Request, decide, recovered};
use super::maintenance;
use super::refusal::MigrationRefusal;
use super::worker_pause::{Queues, WorkerPause};
use crate::code::Code;
use crate::code::relation::Relation;
use crate::frappe::installed_apps;
use crate::leader::backup;
use crate::leader::context::{OverlayContext, Purpose};
use crate::leader::lock::Leadership;
use crate::leader::own::Own;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::postgres::sql::sql_fault;
use crate::record::gate::Gate;
use crate::record::migrations::{self, Migrated};
use crate::record::stage::Stage;
use crate::record::state::{self, State};
use crate::record::volume::Volume;

/// The access of migrate to the site's database.
pub struct Access<'a> {
    pub own: &'a Own,
    pub password: &'a SecretString,
    /// True if PGOPTIONS may be set for migrate's sessions.
    pub accepts_settings: bool,
}

/// The result for the leader.
#[derive(Debug)]
pub enum Outcome {
    /// The pod may serve.
    Open,
    /// A migration of other code was interrupted: the pod comes up and shows what can be done.
    Blocked(String),
    /// The attempts are used up.
    GaveUp(Fault),
}

/// Migrates the database to this code if the decision says so. `always` means that the site was never recorded as
/// finished: then migrate runs whatever the fingerprint.
///
/// # Errors
/// 65 for code that is older, or not known to be newer; the signal of a requested stop; the loss of the lock.
pub async fn migrate(
    context: &OverlayContext<'_>,
    leadership: &Leadership,
    volume: &Volume,
    access: &Access<'_>,
    always: bool,
) -> Flow<Outcome> {
    let client = leadership.client();
    let state = state::read(client, context.site).await.map_err(sql_fault("cannot read our record"))?;
    let state = state.ok_or_else(|| Fault::try_again("our record of the site was deleted", "start again"))?;
    let mut run = Run { context, leadership, volume, access, gate: state.gate.clone(), worker_pause: None };
    if !state.matches_tables {
        migrations::reset_history(client, context.site, &run.gate).await?;
    }
    run.recover().await?;
    let state = State { gate: run.gate.clone(), ..state };
    let seen = assess_as_leader(context, client, &state).await?;
    let retry = context.purpose == Purpose::Migrate { retry: true };
    let request = Request { always, retry, allow_downgrade: context.pod.config.allow_downgrade.as_deref() };
    let (fingerprint, evidence) = (&seen.standing.fingerprint, &seen.standing.evidence);
    let no_op = match decide(&seen, &request) {
        Decision::Serve => {
            tracing::info!(
                event = "site.up_to_date",
                site = context.site,
                "the site is up to date; nothing to do"
            );
            return Ok(Outcome::Open);
        }
        Decision::ServeRolledBack => {
            log_rolled_back(fingerprint, seen.recorded.as_deref());
            return Ok(Outcome::Open);
        }
        Decision::Wait(running) => {
            let fault = Fault::try_again(running.to_string(), "wait until it ends, or stop that pod");
            return Err(fault.named(Refusal::MigrationRunning).into());
        }
        Decision::Refuse(MigrationRefusal::Interrupted(remedy)) => {
            tracing::error!(event = "migration.blocked", remedy, "an interrupted migration blocks this code");
            return Ok(Outcome::Blocked(remedy));
        }
        Decision::Refuse(refusal @ MigrationRefusal::GaveUp { .. }) => {
            return Ok(Outcome::GaveUp(refusal.fault()));
        }
        Decision::Refuse(refusal) => return Err(refusal.fault().into()),
        Decision::Migrate { no_op, downgrade } => {
            if let Some(why) = downgrade {
                tracing::warn!(
                    event = "migration.downgrade_allowed",
                    why,
                    id = seen.id(),
                    "migrating although this code is not known to be newer: CAULDRON_ALLOW_DOWNGRADE allows it"
                );
            }
            no_op
        }
    };
    if retry {
        migrations::forget_attempts(client, context.site, fingerprint).await?;
    }
    run.run_attempts(&Attempt { fingerprint, released: &seen.standing.released, evidence, no_op }).await
}

/// Records the versions of a site's tables that this code just created or completed.
pub async fn record_as_made(context: &OverlayContext<'_>, leadership: &Leadership) -> Result<()> {
    let client = leadership.client();
    let code = Code::read(&context.overlay).await?;
    let installed = installed_apps::read_or_empty(client).await?;
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

/// A migration in the hands of the leader.
struct Run<'a> {
    context: &'a OverlayContext<'a>,
    leadership: &'a Leadership,
    volume: &'a Volume,
    access: &'a Access<'a>,
    gate: Gate,
    worker_pause: Option<WorkerPause>,
}

impl Run<'_> {
    /// Cleans up what an earlier leader left. We have the lock, so no other pod migrates.
    async fn recover(&mut self) -> Flow<()> {
        match self.gate.stage {
            Stage::Open if self.gate.maintenance_ours => Ok(self.reopen().await?),
            Stage::Open | Stage::Failed => Ok(()),
            Stage::Finishing => {
                tracing::info!(
                    event = "migration.finishing_earlier",
                    "finishing the migration of an earlier leader"
                );
                self.finish().await
            }
            stage => {
                self.gate = recovered(&self.gate);
                tracing::warn!(
                    event = "migration.leader_died",
                    stage = stage.as_str(),
                    "an earlier leader died during a migration"
                );
                self.reopen().await?;
                Ok(())
            }
        }
    }

    /// Writes the stage; if it is Open, also ends maintenance and the worker pause. The write comes first: its success
    /// proves that we still have the lock.
    async fn reopen(&mut self) -> Result<()> {
        if self.gate.stage == Stage::Open {
            self.write().await?;
            self.leave_maintenance().await?;
            self.worker_pause = None;
            if let Some(queues) = Queues::of(&self.context.pod.config, self.context.site) {
                queues.release_pause().await;
            }
        }
        self.write().await
    }

    async fn write(&self) -> Result<()> {
        let stage = self.gate.stage;
        tracing::debug!(
            event = "migration.stage_entered",
            stage = stage.as_str(),
            "writing the migration's stage"
        );
        self.context.pod.status.update(|status| status.gate.stage = Some(stage));
        migrations::write_gate(self.leadership.client(), self.context.site, &self.gate).await
    }

    async fn enter_maintenance(&mut self) -> Result<()> {
        let (bench, site) = (&self.context.pod.bench, self.context.site);
        // Recorded before it is set: a later leader removes only maintenance that is ours.
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
}
