//! Follows migrations from a serving pod, which holds no session on the site's database: a file on the volume says that
//! the site was migrated, and the record is read while the site is in maintenance.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::admit::running;
use super::maintenance;
use crate::code::Code;
use crate::code::relation::Relation;
use crate::frappe::installed_apps;
use crate::overlay::BenchOverlay;
use crate::record::reader::RecordReader;
use crate::record::state::{self, State};
use crate::record::volume::Volume;
use crate::status::handle::StatusHandle;
use crate::tick::{self, PERIOD};

const POLL_INTERVAL: Duration = PERIOD.saturating_mul(2);
const POLL_INTERVAL_IN_MAINTENANCE: Duration = Duration::from_secs(1);

/// Follows migrations until dropped. `reloads` is true if gunicorn runs in this process.
pub async fn follow(record: RecordReader, overlay: BenchOverlay, status: StatusHandle, reloads: bool) {
    let volume = Volume::read_only(record.bench.cauldron_site(&record.site));
    let mut migrated = volume.migrated();
    loop {
        let now = volume.migrated();
        if now != migrated {
            migrated = now;
            if reloads {
                tracing::info!(
                    event = "web.reload_requested",
                    "the site was migrated: reloading gunicorn's code"
                );
                let _ = nix::sys::signal::raise(Signal::SIGHUP);
            }
            if let Err(error) = compare(&record, &overlay, &status).await {
                tracing::debug!(
                    event = "migration.relation_not_read",
                    error,
                    "cannot compare this pod's code with the database"
                );
            }
        }
        let (last_backup, last_verified) = (volume.last_backup(), volume.last_verified());
        status.update(|status| (status.last_backup, status.last_verified) = (last_backup, last_verified));
        let in_maintenance = maintenance::is_on(&record.bench, &record.site);
        let published = { status.read().gate };
        if in_maintenance || published.running.is_some() || published.problem.is_some() {
            match record.read().await {
                Ok(state) => publish(&status, state.as_ref()),
                Err(error) => tracing::debug!(
                    event = "migration.record_not_read",
                    error,
                    "cannot read the migration's record"
                ),
            }
        }
        tick::next(if in_maintenance { POLL_INTERVAL_IN_MAINTENANCE } else { POLL_INTERVAL }).await;
    }
}

/// Compares this pod with the migrated database: a pod of the old version is rolled back now, unless its code was
/// replaced in place.
async fn compare(record: &RecordReader, overlay: &BenchOverlay, status: &StatusHandle) -> Result<(), String> {
    let connection = record.connect().await?;
    let state = state::read(&connection, &record.site).await.map_err(|error| error.to_string())?;
    let installed = installed_apps::read_or_empty(&connection).await.map_err(|fault| fault.cause)?;
    let code = Code::read(overlay).await.map_err(|fault| fault.cause)?;
    let (pod, database) = (Some(code.fingerprint(&installed)), state.and_then(|state| state.fingerprint));
    let relation = if pod == database { Relation::Equal } else { Relation::RolledBack };
    status.update(|status| {
        status.gate.relation = Some(relation.kind());
        (status.gate.pod, status.gate.database) = (pod, database);
    });
    Ok(())
}

/// Publishes the migration in the status. A running migration of ours leaves serving pods ready; an interrupted one
/// does not.
fn publish(status: &StatusHandle, state: Option<&State>) {
    let (running, problem) = match state {
        Some(state) if state.gate.is_interrupted() => (None, Some(state.gate.remedy())),
        Some(state) => (running(state), None),
        None => (None, None),
    };
    status.update(|status| {
        if let Some(state) = state {
            status.gate.stage = Some(state.gate.stage);
            status.gate.database.clone_from(&state.fingerprint);
        }
        status.gate.running = running;
        status.gate.problem = problem;
    });
}
