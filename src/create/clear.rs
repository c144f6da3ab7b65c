//! Clears what an unfinished creation of ours left: its relations and its folder, nothing else.
//!
//! All relations are dropped in one transaction, after the database was inspected again under locks that exclude all
//! other sessions. The folder is not deleted but moved to `sites/.cauldron/trash/`.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::bench::atomic_file::sync_folder;
use crate::frappe::site_config::{SET_ASIDE, is_ignored};
use crate::leader::context::Context;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::postgres::sessions::{self, ForeignSession};
use crate::postgres::sql::{has_code, sql_fault};
use crate::postgres::{catalog, ddl};
use crate::record::schema;
use crate::site_state::decide::Database;
use crate::site_state::observe;

/// The longest wait for a table lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// # Errors
/// 75 if a session of another client is open, which it names; 65 if foreign objects depend on our tables.
pub async fn clear(context: &Context<'_>, client: &Client, attempt: &str) -> Result<()> {
    refuse_other_sessions(client).await?;
    ddl::begin(client, LOCK_TIMEOUT).await.map_err(sql_fault("cannot begin to clear the unfinished site"))?;
    let dropped = drop_relations(client).await;
    ddl::end(client, dropped.is_ok()).await.map_err(sql_fault("cannot clear the unfinished site"))?;
    let count = dropped?;
    set_folder_aside(context, attempt)?;
    tracing::info!(
        event = "site.unfinished_cleared",
        attempt,
        relations = count,
        "cleared what an unfinished creation left"
    );
    Ok(())
}

/// Refuses while other clients have sessions, such as a restore or a query tool. Our other pods only wait.
async fn refuse_other_sessions(client: &Client) -> Result<()> {
    let strangers =
        sessions::foreign_sessions(client).await.map_err(sql_fault("cannot list other sessions"))?;
    if strangers.is_empty() {
        return Ok(());
    }
    let shown = strangers.iter().map(|ForeignSession { role, application, address }| {
        format!("{role} ({application}) from {address}")
    });
    let shown: Vec<String> = shown.collect();
    Err(Fault::try_again(
        format!("the site is unfinished, and other sessions use its database: {}", shown.join(", ")),
        "wait for them (a restore, perhaps) or end them, then start again; nothing was changed",
    )
    .named(Refusal::DatabaseInUse))
}

async fn drop_relations(client: &Client) -> Result<usize> {
    let relations = catalog::own_relations(client, schema::LIKE).await;
    let relations = relations.map_err(sql_fault("cannot list the unfinished site's tables"))?;
    ddl::lock(client, &relations).await.map_err(sql_fault("cannot lock the unfinished site's tables"))?;
    // From here on no other session can change the database; one may have, between the decision and the locks.
    match observe::database(client).await? {
        Database::NotComplete(remains) if remains.ours_alone => {}
        Database::Empty => return Ok(0),
        _ => {
            return Err(Fault::try_again(
                "the database changed while it was inspected",
                "start again to decide by its new contents; nothing was changed",
            )
            .named(Refusal::DatabaseChanged));
        }
    }
    // DROP without CASCADE fails if foreign objects depend on our tables.
    ddl::drop(client, &relations).await.map_err(|error| {
        if has_code(&error, &SqlState::DEPENDENT_OBJECTS_STILL_EXIST) {
            return Fault::foreign_data(
                format!("foreign objects depend on the unfinished site's tables: {}", detail(&error)),
                "remove those objects, or set DB_NAME to another database; nothing was changed",
            )
            .named(Refusal::ForeignDependents);
        }
        sql_fault("cannot clear the unfinished site")(error)
    })?;
    Ok(relations.len())
}

fn detail(error: &tokio_postgres::Error) -> String {
    let database_error = error.as_db_error();
    database_error
        .and_then(|error| error.detail())
        .unwrap_or("the server does not name them")
        .replace('\n', ", ")
}

/// Moves the folder out of Frappe's view; it stays available for inspection.
fn set_folder_aside(context: &Context<'_>, attempt: &str) -> Result<()> {
    let folder = context.pod.bench.site(context.site);
    let trash = context.pod.bench.cauldron().join("trash");
    let target = trash.join(format!("{}-{attempt}", context.site));
    let fault = |error: &io::Error| {
        Fault::file(format!("cannot move {} to {}", folder.display(), target.display()), error)
    };
    fs::create_dir_all(&trash).map_err(|error| fault(&error))?;
    let moved = match fs::rename(&folder, &target) {
        // A separate mount (a subPath) cannot be moved: its contents are moved instead.
        Err(error) if matches!(error.kind(), ErrorKind::ResourceBusy | ErrorKind::CrossesDevices) => {
            move_contents(&folder, attempt)
        }
        moved => {
            moved.and_then(|()| sync_folder(&trash)).and_then(|()| sync_folder(&context.pod.bench.sites()))
        }
    };
    match moved {
        Err(error) if error.kind() == ErrorKind::NotFound && !folder.exists() => Ok(()),
        Err(error) => Err(fault(&error)),
        Ok(()) => Ok(()),
    }
}

fn move_contents(folder: &Path, attempt: &str) -> io::Result<()> {
    let target = folder.join(SET_ASIDE).join(attempt);
    fs::create_dir_all(&target)?;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if !is_ignored(&name) {
            fs::rename(folder.join(&name), target.join(&name))?;
        }
    }
    sync_folder(&target)?;
    sync_folder(folder)
}
