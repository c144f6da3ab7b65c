//! Creates a site on an empty database, and completes one that was never recorded as finished.

use secrecy::{ExposeSecret, SecretString};

use crate::frappe::command::PasswordFile;
use crate::leader::context::{Context, OverlayContext};
use crate::leader::lock::Leadership;
use crate::leader::step::{self, Step};
use crate::outcome::{Fault, Flow, Result};
use crate::postgres::sql::sql_fault;
use crate::record::journal;
use crate::record::state;
use crate::record::volume::{Volume, random_id};
use crate::site_state::decide::Database;
use crate::site_state::observe;
use crate::status::operation::StepName;

/// The inputs of a creation beside the context.
pub struct Creation<'a> {
    pub db_name: &'a str,
    pub db_password: &'a SecretString,
    pub admin_password: &'a SecretString,
}

/// Runs Frappe's new-site on the existing database. The attempt is recorded on the volume and in the database before
/// the first step, so that the next leader knows which installation an unfinished site belongs to.
pub async fn create(
    context: &OverlayContext<'_>,
    leadership: &Leadership,
    volume: &Volume,
    creation: &Creation<'_>,
) -> Flow<()> {
    let attempt = random_id();
    volume.start_attempt(&attempt)?;
    let client = leadership.client();
    state::start(client, context.site, &attempt).await.map_err(sql_fault("cannot record the attempt"))?;
    context.pod.status.update(|status| status.attempt = Some(attempt.clone()));
    journal::forget_all(client, context.site).await?;
    let password_file =
        PasswordFile::write(&context.pod.runtime_dir, creation.db_name, creation.db_password)?;
    let arguments = vec![
        "new-site",
        "--no-setup-db",
        "--db-type",
        "postgres",
        "--db-name",
        creation.db_name,
        "--db-password",
        creation.db_password.expose_secret(),
        "--admin-password",
        creation.admin_password.expose_secret(),
        context.site,
        // The folder exists and is empty; Frappe continues only with --force then. The database is empty too, so
        // nothing is overwritten.
        "--force",
    ];
    make_folder(context)?;
    let new_site = Step {
        arguments,
        password_file: Some(password_file.path()),
        secrets: vec![creation.db_password, creation.admin_password],
        ..Step::new(StepName::NewSite, &attempt)
    };
    step::run(context, leadership, &new_site).await?;
    drop(password_file);
    // Frappe leaves a new site's scheduler disabled (docs/frappe-sites.md#scheduler-of-a-new-site).
    run_plain(context, leadership, &attempt, StepName::EnableScheduler).await?;
    if observe::database(client).await? != Database::Complete {
        let cause = "new-site exited 0 and did not leave a complete site";
        return Err(Fault::try_again(cause, "read its output in the log above").into());
    }
    Ok(())
}

/// Creates the site's folder on the volume: in this pod's overlay new-site would create it invisibly to other pods.
fn make_folder(context: &OverlayContext<'_>) -> Result<()> {
    let folder = context.pod.bench.site(context.site);
    std::fs::create_dir_all(&folder)
        .map_err(|error| Fault::file(format!("cannot create {}", folder.display()), &error))?;
    context.link_site()
}

/// Completes a site that we created and never recorded as finished: one migrate completes what a kill left out
/// (scheduled jobs and fixtures come after Administrator; docs/frappe-sites.md#complete-is-not-finished). No pod serves
/// the site yet, so there is no maintenance and no backup; the step that follows new-site is run again too.
pub async fn repair(context: &OverlayContext<'_>, leadership: &Leadership) -> Flow<()> {
    let attempt = random_id();
    context.pod.status.update(|status| status.attempt = Some(attempt.clone()));
    tracing::info!(
        event = "site.completing",
        "the site is complete but was never recorded as finished: migrating once"
    );
    run_plain(context, leadership, &attempt, StepName::Migrate).await?;
    run_plain(context, leadership, &attempt, StepName::EnableScheduler).await
}

async fn run_plain(
    context: &OverlayContext<'_>,
    leadership: &Leadership,
    attempt: &str,
    name: StepName,
) -> Flow<()> {
    let command = name.to_string();
    let step = Step { arguments: vec![&command], with_site: true, ..Step::new(name, attempt) };
    step::run(context, leadership, &step).await
}

/// Records that the site is finished.
pub async fn finish(context: &Context<'_>, leadership: &Leadership, volume: &Volume) -> Flow<()> {
    state::finish(leadership.client(), context.site)
        .await
        .map_err(sql_fault("cannot record that the site is finished"))?;
    volume.finish_attempt()?;
    Ok(())
}
