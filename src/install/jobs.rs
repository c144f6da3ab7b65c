//! Creates an app's scheduled jobs if its install could not see the app's hooks.
//!
//! install-app creates the jobs from the cached hooks. A request that started before the install and is answered during
//! it fills that cache with hooks that lack the app (seen under load): the install exits 0, and the app's jobs never
//! run.

use tokio_postgres::Client;

use super::{InstallContext, run};
use crate::frappe::scheduled_jobs;
use crate::outcome::{Fault, Flow, Result};
use crate::overlay::caches::Caches;
use crate::postgres::sql::sql_fault;
use crate::status::operation::StepName;

const SYNC: &str = "frappe.core.doctype.scheduled_job_type.scheduled_job_type.sync_jobs";
const TRIES: u32 = 3;

/// Checks that the app's scheduled jobs exist, and creates them if not.
///
/// # Errors
/// 75 if they are still missing after all tries.
pub async fn ensure(work: &InstallContext<'_>, app: &str) -> Flow<()> {
    let Some(package) = work.context.overlay.package(app) else { return Ok(()) };
    let hooks = std::fs::read_to_string(package.join("hooks.py")).unwrap_or_default();
    // An app that schedules nothing, or only methods of other apps, has no rows to check.
    let schedules = hooks.split_once("\nscheduler_events").is_some_and(|(_, events)| {
        ["\"", "'"].iter().any(|quote| events.contains(&format!("{quote}{app}.")))
    });
    if !schedules {
        return Ok(());
    }
    let client = work.leadership.client();
    for _ in 0..TRIES {
        if has_jobs(client, app).await? {
            return Ok(());
        }
        tracing::info!(
            event = "app.scheduled_jobs_missing",
            app,
            "the app's scheduled jobs are missing; creating them"
        );
        if let Some(caches) = Caches::of(&work.context.pod.config, &work.own.database) {
            caches.clear_app_caches().await;
        }
        run(work, StepName::SyncJobs, vec!["execute", SYNC]).await?;
    }
    if has_jobs(client, app).await? {
        return Ok(());
    }
    let cause = format!("the scheduled jobs of {app} could not be created");
    Err(Fault::try_again(cause, "start again at a time with fewer users on the site").into())
}

async fn has_jobs(client: &Client, app: &str) -> Result<bool> {
    scheduled_jobs::exist(client, app).await.map_err(sql_fault("cannot read the scheduled jobs"))
}
