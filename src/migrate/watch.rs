//! The gate as a serving pod sees it, which holds no session on the site's database: a file on the
//! volume says that the site was migrated, and the record is read while the site is in maintenance.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::admit::running;
use super::maintenance;
use crate::code::Code;
use crate::code::relation::Relation;
use crate::frappe::installed_apps::installed_apps;
use crate::overlay::BenchOverlay;
use crate::record::reader::RecordReader;
use crate::record::state::{self, State};
use crate::record::volume::Volume;
use crate::status::handle::StatusHandle;
use crate::tick::{self, PERIOD};

const LOOK_EVERY: Duration = PERIOD.saturating_mul(2);
const LOOK_EVERY_IN_MAINTENANCE: Duration = Duration::from_secs(1);

/// Follows the gate until it is dropped. `reloads` where gunicorn runs in this process.
pub async fn follow(record: RecordReader, overlay: BenchOverlay, status: StatusHandle, reloads: bool) {
    let volume = Volume::to_read(record.bench.cauldron_site(&record.site));
    let mut migrated = volume.migrated();
    loop {
        let now = volume.migrated();
        if now != migrated {
            migrated = now;
            if reloads {
                tracing::info!("the site was migrated: gunicorn loads the code anew");
                let _ = nix::sys::signal::raise(Signal::SIGHUP);
            }
            if let Err(error) = compare(&record, &overlay, &status).await {
                tracing::debug!(error, "what this pod is to the database now cannot be told");
            }
        }
        let in_maintenance = maintenance::is_on(&record.bench, &record.site);
        let told = { status.read().gate };
        if in_maintenance || told.running.is_some() || told.problem.is_some() {
            match record.read().await {
                Ok(state) => tell(&status, state.as_ref()),
                Err(error) => tracing::debug!(error, "the gate's record cannot be read now"),
            }
        }
        tick::next(if in_maintenance { LOOK_EVERY_IN_MAINTENANCE } else { LOOK_EVERY }).await;
    }
}

/// A pod of the version before is a rolled-back one now, unless its code was changed in its place.
async fn compare(record: &RecordReader, overlay: &BenchOverlay, status: &StatusHandle) -> Result<(), String> {
    let connection = record.connect().await?;
    let state = state::read(&connection, &record.site).await.map_err(|error| error.to_string())?;
    let installed = installed_apps(&connection).await.map_err(|fault| fault.cause)?;
    let code = Code::look(overlay).await.map_err(|fault| fault.cause)?;
    let (pod, database) = (Some(code.fingerprint(&installed)), state.and_then(|state| state.fingerprint));
    let relation = if pod == database { Relation::Equal } else { Relation::RolledBack };
    status.update(|status| {
        status.gate.relation = Some(relation.kind());
        (status.gate.pod, status.gate.database) = (pod, database);
    });
    Ok(())
}

/// Our own running migration takes no serving pod out; half a migration does.
fn tell(status: &StatusHandle, state: Option<&State>) {
    let (running, problem) = match state {
        Some(state) if state.gate.is_half_done() => (None, Some(state.gate.remedy())),
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
