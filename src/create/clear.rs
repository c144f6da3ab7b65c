//! Clearing what an unfinished creation of ours left: its relations and its folder, nothing else.
//!
//! Relations go in one transaction, whole or not at all, after one more look under locks that keep
//! everybody else out. The folder is not removed but moved to `sites/.cauldron/trash/`.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::bench::atomic_file::sync_folder;
use crate::frappe::site_config::{SET_ASIDE, is_no_content};
use crate::leader::context::Context;
use crate::outcome::{Fault, Result};
use crate::postgres::sessions::{self, Stranger};
use crate::postgres::sql::{has_code, sql_fault};
use crate::postgres::{catalog, ddl};
use crate::record::schema;
use crate::site_state::decide::Database;
use crate::site_state::observe;

/// No table is waited for any longer.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// # Errors
/// 75 naming a stranger's session; 65 where something of somebody else hangs on our tables.
pub async fn clear(context: &Context<'_>, client: &Client, attempt: &str) -> Result<()> {
    refuse_strangers(client).await?;
    ddl::begin(client, LOCK_TIMEOUT).await.map_err(sql_fault("cannot begin to clear the unfinished site"))?;
    let dropped = drop_relations(client).await;
    ddl::end(client, dropped.is_ok()).await.map_err(sql_fault("cannot clear the unfinished site"))?;
    let count = dropped?;
    set_folder_aside(context, attempt)?;
    tracing::info!(attempt, relations = count, "cleared what an unfinished creation left");
    Ok(())
}

/// Somebody restores a dump, or looks around. Our other pods wait for us.
async fn refuse_strangers(client: &Client) -> Result<()> {
    let strangers = sessions::strangers(client).await.map_err(sql_fault("cannot look for other sessions"))?;
    if strangers.is_empty() {
        return Ok(());
    }
    let shown = strangers
        .iter()
        .map(|Stranger { role, application, address }| format!("{role} ({application}) from {address}"));
    let shown: Vec<String> = shown.collect();
    Err(Fault::try_again(
        format!("the site is unfinished, and somebody else works in its database: {}", shown.join(", ")),
        "a restore, perhaps: let it finish, or end those sessions, then start again; nothing was changed",
    ))
}

async fn drop_relations(client: &Client) -> Result<usize> {
    let relations = catalog::own_relations(client, schema::LIKE).await;
    let relations = relations.map_err(sql_fault("cannot list the unfinished site's tables"))?;
    ddl::lock(client, &relations).await.map_err(sql_fault("cannot lock the unfinished site's tables"))?;
    // Nobody can change it any more; somebody may have, between the decision and the locks.
    match observe::database(client).await? {
        Database::NotComplete(remains) if remains.ours_alone => {}
        Database::Empty => return Ok(0),
        _ => {
            return Err(Fault::try_again(
                "the database changed while it was looked at",
                "start again: what is there now decides; nothing was changed",
            ));
        }
    }
    // What somebody else hung on our tables stops us.
    ddl::drop(client, &relations).await.map_err(|error| {
        if has_code(&error, &SqlState::DEPENDENT_OBJECTS_STILL_EXIST) {
            let whose = "something of somebody else hangs on the unfinished site's tables";
            return Fault::foreign_data(
                format!("{whose}: {}", detail(&error)),
                "remove it, or name another DB_NAME; nothing was changed",
            );
        }
        sql_fault("cannot clear the unfinished site")(error)
    })?;
    Ok(relations.len())
}

fn detail(error: &tokio_postgres::Error) -> String {
    let database_error = error.as_db_error();
    database_error.and_then(|error| error.detail()).unwrap_or("it does not say what").replace('\n', ", ")
}

/// Out of Frappe's way, and still there for whoever wants to look.
fn set_folder_aside(context: &Context<'_>, attempt: &str) -> Result<()> {
    let folder = context.pod.bench.site(context.site);
    let trash = context.pod.bench.cauldron().join("trash");
    let target = trash.join(format!("{}-{attempt}", context.site));
    let fault = |error: &io::Error| {
        Fault::file(format!("cannot move {} to {}", folder.display(), target.display()), error)
    };
    fs::create_dir_all(&trash).map_err(|error| fault(&error))?;
    let moved = match fs::rename(&folder, &target) {
        // A mount of its own (a subPath) stays where it is; what is in it goes.
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
        if !is_no_content(&name) {
            fs::rename(folder.join(&name), target.join(&name))?;
        }
    }
    sync_folder(&target)?;
    sync_folder(folder)
}
