//! Clearing what an unfinished creation of ours left: its relations and its folder, nothing else.
//!
//! Relations go in one transaction, whole or not at all, after one more look under locks that keep
//! everybody else out. The folder is not removed but moved to `sites/.cauldron/trash/`.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use tokio_postgres::Client;

use crate::bench::atomic_file::sync_folder;
use crate::frappe::site_config::{SET_ASIDE, is_no_content};
use crate::leader::context::Context;
use crate::outcome::{Fault, Result};
use crate::postgres::sql::{identifier, told};
use crate::record::schema;
use crate::site_state::decide::Database;
use crate::site_state::observe;

/// Somebody restores a dump, or looks around: a session that is none of ours. The server's own
/// backends belong to nobody, and our other pods wait for us.
const STRANGERS: &str = "SELECT usename::text, application_name, coalesce(client_addr::text, 'local')
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL
      AND application_name NOT LIKE 'cauldron%' ORDER BY 1, 2";

/// Relations in public that the site's role owns and no extension does; dependents first.
const OWN_RELATIONS: &str = r"
SELECT c.relname::text, c.relkind::text FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relowner = current_user::regrole
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relname NOT LIKE $1::text
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                  AND d.deptype IN ('e', 'a', 'i'))";

/// # Errors
/// 75 naming a stranger's session; 65 where something of somebody else hangs on our tables.
pub async fn clear(context: &Context<'_>, client: &Client, attempt: &str) -> Result<()> {
    refuse_strangers(client).await?;
    client
        .batch_execute("BEGIN; SET LOCAL lock_timeout = '10s'")
        .await
        .map_err(told("cannot begin to clear the unfinished site"))?;
    let dropped = drop_relations(client).await;
    let end = if dropped.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await.map_err(told("cannot clear the unfinished site"))?;
    let count = dropped?;
    set_folder_aside(context, attempt)?;
    tracing::info!(attempt, relations = count, "cleared what an unfinished creation left");
    Ok(())
}

async fn refuse_strangers(client: &Client) -> Result<()> {
    let rows = client.query(STRANGERS, &[]).await.map_err(told("cannot look for other sessions"))?;
    if rows.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = rows
        .iter()
        .map(|row| {
            let (user, application, address): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            format!("{user} ({application}) from {address}")
        })
        .collect();
    Err(Fault::try_again(
        format!("the site is unfinished, and somebody else works in its database: {}", shown.join(", ")),
        "a restore, perhaps: let it finish, or end those sessions, then start again; nothing was changed",
    ))
}

async fn drop_relations(client: &Client) -> Result<usize> {
    let relations = own_relations(client).await?;
    let tables: Vec<String> = relations
        .iter()
        .filter(|(_, kind)| kind == "r" || kind == "p")
        .map(|(name, _)| quoted(name))
        .collect();
    if !tables.is_empty() {
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "));
        client.batch_execute(&lock).await.map_err(told("cannot lock the unfinished site's tables"))?;
    }
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
    for (kind, word) in [
        ("v", "VIEW"),
        ("m", "MATERIALIZED VIEW"),
        ("f", "FOREIGN TABLE"),
        ("rp", "TABLE"),
        ("S", "SEQUENCE"),
    ] {
        let names: Vec<String> = relations
            .iter()
            .filter(|(_, k)| kind.contains(k.as_str()))
            .map(|(name, _)| quoted(name))
            .collect();
        if names.is_empty() {
            continue;
        }
        // Without CASCADE: what somebody else hung on our tables stops us.
        let statement = format!("DROP {word} {}", names.join(", "));
        client.batch_execute(&statement).await.map_err(|error| {
            if error.code() == Some(&tokio_postgres::error::SqlState::DEPENDENT_OBJECTS_STILL_EXIST) {
                return Fault::foreign_data(
                    format!(
                        "something of somebody else hangs on the unfinished site's tables: {}",
                        detail(&error)
                    ),
                    "remove it, or name another DB_NAME; nothing was changed",
                );
            }
            told("cannot clear the unfinished site")(error)
        })?;
    }
    Ok(relations.len())
}

fn detail(error: &tokio_postgres::Error) -> String {
    let database_error = error.as_db_error();
    database_error.and_then(|error| error.detail()).unwrap_or("it does not say what").replace('\n', ", ")
}

async fn own_relations(client: &Client) -> Result<Vec<(String, String)>> {
    let rows = client
        .query(OWN_RELATIONS, &[&schema::LIKE])
        .await
        .map_err(told("cannot list the unfinished site's tables"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn quoted(name: &str) -> String {
    format!("public.{}", identifier(name))
}

/// Out of Frappe's way, and still there for whoever wants to look.
fn set_folder_aside(context: &Context<'_>, attempt: &str) -> Result<()> {
    let folder = context.bench.site(context.site);
    let trash = context.bench.cauldron().join("trash");
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
        moved => moved.and_then(|()| sync_folder(&trash)).and_then(|()| sync_folder(&context.bench.sites())),
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
