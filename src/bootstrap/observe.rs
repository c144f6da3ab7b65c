//! Looks at the database and the volume; changes nothing.

use tokio_postgres::Client;

use super::decide::{Database, Folder, Mark, Observation};
use super::sql::told;
use super::state::{self, State};
use super::volume::Volume;
use crate::frappe::site_config::SiteFolder;
use crate::outcome::Result;

/// Relations that are neither ours nor an extension's, in every schema but the system's.
const FOREIGN_RELATIONS: &str = r"
SELECT n.nspname || '.' || c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND NOT (n.nspname = 'public' AND c.relname LIKE '\_\_cauldron\_%')
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1";

/// What the database holds. *Complete* is Frappe's own record of its apps and Administrator's password.
pub async fn database(client: &Client) -> Result<Database> {
    let rows = client.query(FOREIGN_RELATIONS, &[]).await.map_err(told("cannot look at the database"))?;
    let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if tables.is_empty() {
        return Ok(Database::Empty);
    }
    let has = |name: &str| tables.iter().any(|table| table.strip_prefix("public.") == Some(name));
    if !(has("tabDefaultValue") && has("__Auth")) {
        return Ok(Database::NotComplete(tables));
    }
    let row = client
        .query_one(
            r#"SELECT EXISTS (SELECT 1 FROM public."tabDefaultValue"
                              WHERE parent = '__global' AND defkey = 'installed_apps' AND defvalue LIKE '%frappe%')
                  AND EXISTS (SELECT 1 FROM public."__Auth"
                              WHERE doctype = 'User' AND name = 'Administrator' AND fieldname = 'password')"#,
            &[],
        )
        .await
        .map_err(told("cannot look at the site's tables"))?;
    Ok(if row.get(0) { Database::Complete } else { Database::NotComplete(tables) })
}

/// What the volume holds; `login_works` tells whether its own credentials open the database.
pub fn folder(folder: &SiteFolder, db_name: &str, login_works: bool) -> Folder {
    let SiteFolder::There(config) = folder else { return Folder::Absent };
    match config.as_ref().and_then(|config| config.db_name.as_deref()) {
        None => Folder::NoConfig,
        Some(name) if name != db_name => Folder::OtherDatabase,
        Some(_) if login_works => Folder::LoginWorks,
        Some(_) => Folder::LoginFails,
    }
}

/// What we recorded: the volume's unfinished attempt, and the database's row.
pub fn mark(volume: &Volume, state: Option<&State>) -> Result<Mark> {
    if let Some(state) = state {
        match state.phase.as_str() {
            "complete" => return Ok(Mark::Complete),
            "creating" => return Ok(Mark::Unfinished(state.attempt.clone().unwrap_or_default())),
            _ => {}
        }
    }
    Ok(volume.unfinished_attempt()?.map_or(Mark::None, Mark::Unfinished))
}

/// Everything at once, through a connection to the site's own database.
pub async fn observe(client: &Client, site: &str, volume: &Volume, folder: Folder) -> Result<Observation> {
    let database = database(client).await?;
    let state = state::read(client, site).await.map_err(told("cannot read our state"))?;
    Ok(Observation { database, folder, mark: mark(volume, state.as_ref())? })
}
