//! Creating a site on an empty database, and finishing one that was not seen finished.

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

/// What a creation needs beside the context.
pub struct Creation<'a> {
    pub db_name: &'a str,
    pub db_password: &'a SecretString,
    pub admin_password: &'a SecretString,
}

/// Frappe's new-site, on the database that is there. Marked on the volume and in the database before
/// the first step, so that whoever comes later knows whose half-built site this is.
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
        // An empty folder, or this would not be a creation; Frappe goes on in one only so. The database
        // is empty, too: there is nothing to overwrite.
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
        let cause = "new-site exited 0 and left no complete site";
        return Err(Fault::try_again(cause, "its output is in the log above").into());
    }
    Ok(())
}

/// On the volume: in this pod's own view new-site would make it where nobody else sees it.
fn make_folder(context: &OverlayContext<'_>) -> Result<()> {
    let folder = context.pod.bench.site(context.site);
    std::fs::create_dir_all(&folder)
        .map_err(|error| Fault::file(format!("cannot make {}", folder.display()), &error))?;
    context.link_site()
}

/// A complete site of our own making whose end nobody recorded: one migrate makes up for what a kill left out
/// (scheduled jobs and fixtures come after Administrator; docs/frappe-sites.md#complete-is-not-finished).
/// Nobody serves it yet, so nothing is held or saved for it; what follows new-site is made up for, too.
pub async fn repair(context: &OverlayContext<'_>, leadership: &Leadership) -> Flow<()> {
    let attempt = random_id();
    context.pod.status.update(|status| status.attempt = Some(attempt.clone()));
    tracing::info!("the site is complete and was never recorded as finished: migrating once");
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

/// The site is finished, and says so from now on.
pub async fn finish(context: &Context<'_>, leadership: &Leadership, volume: &Volume) -> Flow<()> {
    state::finish(leadership.client(), context.site)
        .await
        .map_err(sql_fault("cannot record that the site is finished"))?;
    volume.finish_attempt()?;
    Ok(())
}
