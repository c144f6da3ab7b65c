//! The attempts of a migration, with pauses in between.

use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::{Outcome, Run};
use crate::migrate::refusal::MigrationRefusal;
use crate::migrate::turn;
use crate::outcome::{Flow, Stopped};
use crate::postgres::sql::sql_fault;
use crate::record::migrations;
use crate::status::operation::Operation;
use crate::telemetry;

/// The delays before further attempts.
const RETRY_DELAYS: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];

impl Run<'_> {
    pub(super) async fn run_attempts(&mut self, attempt: &Attempt<'_>) -> Flow<Outcome> {
        let (client, site) = (self.leadership.client(), self.context.site);
        loop {
            let tried = migrations::attempt_history(client, site, attempt.fingerprint).await?;
            if let Some(refusal) = MigrationRefusal::if_attempts_exhausted(&self.gate, &tried) {
                return Ok(Outcome::GaveUp(refusal.fault()));
            }
            self.wait_before_retry(&tried).await?;
            turn::take(self.context, client).await?;
            let number = migrations::count_attempt(client, site, attempt.fingerprint).await?;
            let ended = self.attempt(attempt, number).await;
            turn::release(client).await?;
            let fault = match ended {
                Ok(()) => return Ok(Outcome::Open),
                Err(Stopped::Signal(signal)) => {
                    migrations::refund_attempt(client, site, attempt.fingerprint)
                        .await
                        .map_err(sql_fault("cannot record the stop"))?;
                    return Err(Stopped::Signal(signal));
                }
                Err(Stopped::Fault(fault)) => fault,
            };
            self.context.pod.status.update(|status| status.last_error = Some(fault.cause.clone()));
            migrations::record_failure(client, site, attempt.fingerprint, &fault.cause).await?;
            let after = self.gate.is_interrupted();
            tracing::error!(
                event = "migration.failed",
                attempt = number,
                of = migrations::MAX_ATTEMPTS,
                cause = fault.cause,
                hint = fault.hint,
                mend = telemetry::former_key(&fault.hint),
                refusal = fault.refusal_name(),
                after_a_change = after,
                "the migration failed"
            );
        }
    }

    /// Waits before another attempt, whichever pod made the last one.
    async fn wait_before_retry(&self, tried: &migrations::AttemptHistory) -> Flow<()> {
        let Some(pause) = usize::try_from(tried.attempts - 1).ok().and_then(|at| RETRY_DELAYS.get(at)) else {
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
