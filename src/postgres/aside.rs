//! Replaces the contents of a database without losing them: schema public is renamed, a new one is filled, and the old
//! one is dropped when the new one is complete, or renamed back.
//!
//! ```text
//!   public ──set_aside──▶ cauldron_before_restore + empty public ──(load)──▶ discard ──▶ public, the new one
//!                                  └──────────────put_back──▶ public, as it was
//! ```
//!
//! Renaming locks one schema, whatever the number of tables. Dropping locks a table with its indexes, so it is done in
//! groups: one transaction for 1,500 tables would exceed `max_locks_per_transaction`. The comment on the schema that was
//! set aside says how far the work is, and changes with it in one transaction.

use std::time::Duration;

use tokio_postgres::{Client, Error};

use super::ddl::DROP_ORDER;
use super::sql::{identifier, literal};

/// The schema that holds the previous contents.
pub const SCHEMA: &str = "cauldron_before_restore";

/// An empty schema public as initdb makes it: pg_dump reports every difference.
const NEW_PUBLIC: &str = "CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;
    COMMENT ON SCHEMA public IS 'standard public schema';";

/// The number of tables that one transaction drops.
const GROUP: usize = 50;
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// The note on the previous contents; None if none are set aside.
///
/// # Errors
/// Any error of the server.
pub async fn note(client: &Client) -> Result<Option<String>, Error> {
    let sql = "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') AS note
               FROM pg_namespace WHERE nspname = $1";
    Ok(client.query_opt(sql, &[&SCHEMA]).await?.map(|row| row.get("note")))
}

/// What keeps this session from setting schema public aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The role does not own schema public, or may not create schemas in the database.
    Right { role: String, database: String },
    /// There is no schema public.
    NoPublic,
}

/// Checks the rights, before anything is changed.
///
/// # Errors
/// Any error of the server.
pub async fn obstacle(client: &Client) -> Result<Option<Obstacle>, Error> {
    let sql = "SELECT current_user::text AS role, current_database()::text AS database,
                      has_database_privilege(current_database(), 'CREATE') AS may_create,
                      (SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'public') AS owns";
    let row = client.query_one(sql, &[]).await?;
    let right = || Obstacle::Right { role: row.get("role"), database: row.get("database") };
    Ok(match (row.get::<_, Option<bool>>("owns"), row.get::<_, bool>("may_create")) {
        (None, _) => Some(Obstacle::NoPublic),
        (Some(true), true) => None,
        _ => Some(right()),
    })
}

/// Sets the contents of schema public aside. Tables whose name is LIKE `kept`, and extensions, stay in public.
///
/// # Errors
/// Any error of the server; nothing was changed then.
pub async fn set_aside(client: &Client, kept: &str, note: &str) -> Result<(), Error> {
    let moved = moved(client, "public", kept, SCHEMA, "public").await?;
    let owner = owner(client).await?;
    let schema = identifier(SCHEMA);
    let sql = format!(
        "ALTER SCHEMA public RENAME TO {schema}; COMMENT ON SCHEMA {schema} IS {note};
         {NEW_PUBLIC} {owner} {moved}",
        note = literal(note)
    );
    super::ddl::run(client, LOCK_TIMEOUT, &sql).await
}

/// Changes the note.
///
/// # Errors
/// Any error of the server.
pub async fn annotate(client: &Client, note: &str) -> Result<(), Error> {
    client.batch_execute(&format!("COMMENT ON SCHEMA {} IS {}", identifier(SCHEMA), literal(note))).await
}

/// Makes the previous contents the present ones, and drops what was loaded meanwhile.
///
/// # Errors
/// Any error of the server. It can be called again.
pub async fn put_back(client: &Client, kept: &str) -> Result<(), Error> {
    drop_relations(client, "public", kept).await?;
    let moved = moved(client, "public", kept, "public", SCHEMA).await?;
    let schema = identifier(SCHEMA);
    let sql = format!(
        "{moved} DROP SCHEMA public CASCADE; ALTER SCHEMA {schema} RENAME TO public;
         COMMENT ON SCHEMA public IS 'standard public schema'"
    );
    super::ddl::run(client, LOCK_TIMEOUT, &sql).await
}

/// Empties schema public, for another try of the load.
///
/// # Errors
/// Any error of the server. It can be called again.
pub async fn empty_public(client: &Client, kept: &str) -> Result<(), Error> {
    drop_relations(client, "public", kept).await?;
    let moved_out = moved(client, "public", kept, "public", SCHEMA).await?;
    let moved_in = moved(client, "public", kept, SCHEMA, "public").await?;
    let owner = owner(client).await?;
    let sql = format!("{moved_out} DROP SCHEMA public CASCADE; {NEW_PUBLIC} {owner} {moved_in}");
    super::ddl::run(client, LOCK_TIMEOUT, &sql).await
}

/// Drops the previous contents.
///
/// # Errors
/// Any error of the server. It can be called again.
pub async fn discard(client: &Client) -> Result<(), Error> {
    drop_relations(client, SCHEMA, "").await?;
    client.batch_execute(&format!("DROP SCHEMA IF EXISTS {} CASCADE", identifier(SCHEMA))).await
}

/// The statements that move the kept tables, and the extensions, of `of` from one schema to another.
async fn moved(client: &Client, of: &str, kept: &str, from: &str, to: &str) -> Result<String, Error> {
    let tables = "SELECT relname::text AS name FROM pg_class
                  WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p') AND relname LIKE $2
                  ORDER BY relname";
    let extensions = "SELECT extname::text AS name FROM pg_extension
                      WHERE extnamespace = to_regnamespace($1) ORDER BY extname";
    let (from, to) = (identifier(from), identifier(to));
    let mut sql = String::new();
    for row in client.query(tables, &[&of, &kept]).await? {
        let table = identifier(row.get("name"));
        sql.push_str(&format!("ALTER TABLE {from}.{table} SET SCHEMA {to}; "));
    }
    for row in client.query(extensions, &[&of]).await? {
        sql.push_str(&format!("ALTER EXTENSION {} SET SCHEMA {to}; ", identifier(row.get("name"))));
    }
    Ok(sql)
}

/// The statement that makes the database's owner the owner of schema public, as from PostgreSQL 14 on; empty before.
async fn owner(client: &Client) -> Result<&'static str, Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_database_owner')
                      AND pg_has_role('pg_database_owner', 'USAGE') AS is_there";
    let row = client.query_one(sql, &[]).await;
    // Before PostgreSQL 14 the role does not exist, and naming it is an error.
    let is_there = row.is_ok_and(|row| row.get("is_there"));
    Ok(if is_there { "ALTER SCHEMA public OWNER TO pg_database_owner;" } else { "" })
}

/// Drops the views, tables and sequences of a schema, except those LIKE `kept`, in groups.
async fn drop_relations(client: &Client, schema: &str, kept: &str) -> Result<(), Error> {
    let sql = "SELECT c.relname::text AS name, c.relkind::text AS kind FROM pg_class c
               WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                 AND NOT c.relname LIKE $2
                 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                                 AND d.deptype IN ('e', 'a', 'i'))";
    let rows = client.query(sql, &[&schema, &kept]).await?;
    for (kinds, word) in DROP_ORDER {
        let names: Vec<String> = rows
            .iter()
            .filter(|row| kinds.contains(row.get::<_, &str>("kind")))
            .map(|row| format!("{}.{}", identifier(schema), identifier(row.get("name"))))
            .collect();
        for group in names.chunks(GROUP) {
            // A view that depends on another one of the schema may be gone already.
            client.batch_execute(&format!("DROP {word} IF EXISTS {} CASCADE", group.join(", "))).await?;
        }
    }
    Ok(())
}
