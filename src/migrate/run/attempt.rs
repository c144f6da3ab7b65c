//! One attempt at a migration, stage by stage.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::frappe_migrate::{self, Failure, Plan};
use super::super::worker_pause::{Queues, WorkerPause};
use super::super::{blockers, caches, drain, imports, maintenance};
use super::{Run, backup};
use crate::code::relation::Evidence;
use crate::leader::step::Step;
use crate::outcome::{Flow, Stopped};
use crate::record::migrations::Released;
use crate::record::migrations::{self, Migrated};
use crate::record::stage::{Event, Stage};
use crate::record::volume::random_id;
use crate::status::gate::RelationKind;
use crate::status::operation::{DrainBlocker, Operation, StepName};

/// The time that a requested stop waits for migrate if no grace period is configured.
const DEFAULT_STOP_GRACE: Duration = Duration::from_secs(30);
/// The part of the grace period that is kept for the work after migrate.
const FINISH_RESERVE: Duration = Duration::from_secs(5);

/// The inputs of an attempt.
pub struct Attempt<'a> {
    pub fingerprint: &'a str,
    pub released: &'a BTreeMap<String, Released>,
    pub evidence: &'a Evidence,
    pub no_op: bool,
}

impl Run<'_> {
    pub(super) async fn attempt(&mut self, attempt: &Attempt<'_>, number: i32) -> Flow<()> {
        let Attempt { fingerprint, evidence, no_op, .. } = *attempt;
        let patches = evidence.pending().count();
        tracing::info!(
            event = "migration.started",
            fingerprint,
            attempt = number,
            patches,
            doctypes = evidence.doctypes.len(),
            no_op,
            "migration started"
        );
        self.gate.no_op = no_op;
        self.gate.target = Some(fingerprint.to_string());
        self.gate.error = None;
        self.gate.on_event(Event::Begin);
        self.write().await?;
        match self.stages(attempt).await {
            Ok(()) => Ok(()),
            Err(Failure { stopped, changed }) => {
                self.failed(&stopped, changed).await?;
                Err(stopped)
            }
        }
    }

    /// Records the failure in the stage that follows from it. If the lock was lost, the next leader does this.
    async fn failed(&mut self, stopped: &Stopped, changed: bool) -> Flow<()> {
        self.gate.error = match stopped {
            Stopped::Fault(fault) => Some(fault.cause.clone()),
            Stopped::Signal(_) => {
                let progress = self.context.pod.status.read().gate.progress;
                let patch = progress.and_then(|progress| progress.patch);
                let during = patch.map_or("the migration".into(), |patch| format!("patch {patch}"));
                Some(format!("a stop was requested during {during}"))
            }
        };
        self.gate.on_event(Event::Failed { changed });
        let lost = self.leadership.lost();
        tokio::select! {
            biased;
            fault = lost => Err(fault.into()),
            reopened = self.reopen() => Ok(reopened?),
        }
    }

    async fn stages(&mut self, attempt: &Attempt<'_>) -> Result<(), Failure> {
        let begun = Instant::now();
        self.before_the_first_change(attempt).await.map_err(|stopped| Failure { stopped, changed: false })?;
        let patches = attempt.evidence.pending().count();
        let before = |stopped: Stopped| Failure { stopped, changed: false };
        let client = self.leadership.client();
        let ms_per_patch = migrations::ms_per_patch(client, self.context.site)
            .await
            .map_err(|fault| before(fault.into()))?;
        let id = random_id();
        let plan = Plan {
            attempt: &id,
            patches,
            ms_per_patch,
            accepts_settings: self.access.accepts_settings || self.context.database.direct.is_some(),
            stop_grace: self.stop_grace(),
        };
        let started = Instant::now();
        frappe_migrate::run(self.context, self.leadership, &plan).await?;
        let ms = |since: Instant| i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
        let took_ms = ms(started);
        self.gate.on_event(Event::Done);
        let migrated = Migrated {
            fingerprint: attempt.fingerprint,
            released: attempt.released,
            took_ms,
            patches: i32::try_from(patches).unwrap_or(i32::MAX),
        };
        // From here on nothing is undone: after a failure the next leader does the rest.
        let after = |stopped: Stopped| Failure { stopped, changed: true };
        migrations::record_migrated(client, self.context.site, &migrated, &self.gate)
            .await
            .map_err(|fault| after(fault.into()))?;
        self.context.pod.status.update(|status| {
            status.gate.database = Some(attempt.fingerprint.to_string());
            status.gate.relation = Some(RelationKind::Equal);
            status.gate.stage = Some(Stage::Finishing);
        });
        self.finish().await.map_err(after)?;
        let whole_ms = ms(begun);
        tracing::info!(
            event = "migration.finished",
            fingerprint = attempt.fingerprint,
            took_ms,
            whole_ms,
            patches,
            "migration finished"
        );
        Ok(())
    }

    async fn before_the_first_change(&mut self, attempt: &Attempt<'_>) -> Flow<()> {
        let (context, leadership) = (self.context, self.leadership);
        imports::check(context, leadership, attempt.evidence).await?;
        self.next().await?;
        if self.gate.stage == Stage::BackingUp {
            let login = backup::Login { own: self.access.own, password: self.access.password };
            let path = backup::take(context, leadership, &login).await?;
            self.gate.backup = path.map(|path| path.display().to_string());
            self.next().await?;
        }
        if self.gate.stage == Stage::Draining {
            let since = Instant::now();
            let waiting = async {
                if let Some(queues) = Queues::of(&context.pod.config, context.site) {
                    self.worker_pause = Some(WorkerPause::start(&queues).await);
                    drain::wait(context, &queues).await?;
                }
                blockers::wait_for_others(context, leadership.client(), since).await
            };
            tokio::select! {
                waited = waiting => waited?,
                signal = context.pod.shutdown.stop_requested() => return Err(Stopped::Signal(signal)),
                fault = leadership.lost() => return Err(fault.into()),
            }
            self.gate.on_event(Event::Done);
            self.enter_maintenance().await?;
            self.wait_until_maintenance_is_read().await?;
            self.next().await?;
        }
        Ok(())
    }

    async fn wait_until_maintenance_is_read(&self) -> Flow<()> {
        let left = maintenance::unread_for(&self.context.pod.bench, self.context.site);
        if left.is_zero() {
            return Ok(());
        }
        let blocker = DrainBlocker::Web { left_s: left.as_secs() + 1 };
        self.context.pod.status.begin(Operation::WaitingForDrain(blocker));
        tracing::info!(
            event = "migration.waiting_for_web",
            wait_s = left.as_secs(),
            "waiting until every web process has read that the site is in maintenance"
        );
        tokio::select! {
            () = tokio::time::sleep(left) => Ok(()),
            signal = self.context.pod.shutdown.stop_requested() => Err(Stopped::Signal(signal)),
            fault = self.leadership.lost() => Err(fault.into()),
        }
    }

    async fn next(&mut self) -> Flow<()> {
        self.gate.on_event(Event::Done);
        Ok(self.write().await?)
    }

    /// Clears caches, reloads web, ends maintenance and the worker pause. An interrupted run is repeated.
    pub(super) async fn finish(&mut self) -> Flow<()> {
        let id = random_id();
        let step = Step {
            arguments: vec!["clear-cache"],
            with_site: true,
            stop_grace: self.stop_grace(),
            ..Step::new(StepName::ClearCache, &id)
        };
        caches::clear(self.context, self.leadership, step, &self.access.own.database).await?;
        self.volume.publish_migrated(&id)?;
        self.gate.on_event(Event::Done);
        self.context.pod.status.update(|status| status.gate.progress = None);
        self.reopen().await?;
        Ok(())
    }

    fn stop_grace(&self) -> Duration {
        self.context.pod.config.grace.unwrap_or(DEFAULT_STOP_GRACE).saturating_sub(FINISH_RESERVE)
    }
}
