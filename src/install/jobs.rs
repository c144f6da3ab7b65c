//! An app's scheduled jobs, made up for where its install could not see its own hooks.
//!
//! install-app makes them of the hooks in the cache. A request that began before the app was installed
//! and is answered while it is fills that cache with hooks that lack it (seen under load): the install
//! ends with 0, and the app never ticks.

use tokio_postgres::Client;

use super::{InstallContext, run};
use crate::frappe::scheduled_jobs;
use crate::outcome::{Fault, Flow, Result};
use crate::overlay::caches::Caches;
use crate::postgres::sql::sql_fault;
use crate::status::operation::StepName;

const SYNC: &str = "frappe.core.doctype.scheduled_job_type.scheduled_job_type.sync_jobs";
const TRIES: u32 = 3;

/// # Errors
/// 75 where they do not come.
pub async fn ensure(work: &InstallContext<'_>, app: &str) -> Flow<()> {
    let Some(package) = work.context.overlay.package(app) else { return Ok(()) };
    let hooks = std::fs::read_to_string(package.join("hooks.py")).unwrap_or_default();
    // An app that schedules nothing, or nothing of its own, has no row to look for.
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
        tracing::info!(app, "its scheduled jobs are missing; making them");
        if let Some(caches) = Caches::of(&work.context.pod.config, &work.own.database) {
            caches.forget_apps().await;
        }
        run(work, StepName::SyncJobs, vec!["execute", SYNC]).await?;
    }
    if has_jobs(client, app).await? {
        return Ok(());
    }
    let cause = format!("the scheduled jobs of {app} do not come");
    Err(Fault::try_again(cause, "start again while fewer people work with the site").into())
}

async fn has_jobs(client: &Client, app: &str) -> Result<bool> {
    scheduled_jobs::are_there(client, app).await.map_err(sql_fault("cannot look for scheduled jobs"))
}
