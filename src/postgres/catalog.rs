//! The system catalog: the relations of a database, and every other object that a user may have created in it.
//!
//! `except` is a LIKE pattern for names in public that are ignored.

use tokio_postgres::{Client, Error, Row};

/// A table, view or sequence in public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    pub name: String,
    /// `pg_class.relkind`.
    pub(super) kind: String,
}

/// All objects. A database with only a function or a type in it is not empty: a user made them. A schema that contains
/// an extension (managed servers have some) does not count.
const OBJECTS: &str = r"
WITH extension AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
schema AS (SELECT oid, nspname FROM pg_namespace
           WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema')
SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN schema n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
  AND NOT (n.nspname = 'public' AND c.relname LIKE $1::text)
  AND ('pg_class'::regclass, c.oid) NOT IN (SELECT * FROM extension)
UNION ALL
SELECT 'function ' || n.nspname || '.' || p.proname FROM pg_proc p JOIN schema n ON n.oid = p.pronamespace
WHERE ('pg_proc'::regclass, p.oid) NOT IN (SELECT * FROM extension)
UNION ALL
SELECT 'type ' || n.nspname || '.' || t.typname FROM pg_type t JOIN schema n ON n.oid = t.typnamespace
WHERE t.typtype IN ('b', 'd', 'e', 'r') AND t.typcategory <> 'A'
  AND ('pg_type'::regclass, t.oid) NOT IN (SELECT * FROM extension)
UNION ALL
SELECT 'schema ' || n.nspname FROM schema n
WHERE n.nspname <> 'public' AND ('pg_namespace'::regclass, n.oid) NOT IN (SELECT * FROM extension)
  AND NOT EXISTS (SELECT 1 FROM pg_extension e WHERE e.extnamespace = n.oid)
UNION ALL
SELECT 'large object ' || oid FROM pg_largeobject_metadata
UNION ALL
SELECT 'publication ' || pubname FROM pg_publication
UNION ALL
SELECT 'foreign server ' || srvname FROM pg_foreign_server
WHERE ('pg_foreign_server'::regclass, oid) NOT IN (SELECT * FROM extension)
ORDER BY 1";

/// The names of all objects in this database, without those of extensions.
pub async fn objects(client: &Client, except: &str) -> Result<Vec<String>, Error> {
    Ok(names(&client.query(OBJECTS, &[&except]).await?))
}

/// The names of those [`objects`] that are relations in public and owned by the role.
pub async fn own_objects(client: &Client) -> Result<Vec<String>, Error> {
    let sql = "SELECT 'public.' || relname AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relowner = current_user::regrole
          AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')";
    Ok(names(&client.query(sql, &[]).await?))
}

/// The relations in public that the role owns, without those of extensions.
pub async fn own_relations(client: &Client, except: &str) -> Result<Vec<Relation>, Error> {
    let sql = r"SELECT c.relname::text AS name, c.relkind::text AS kind FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relowner = current_user::regrole
          AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relname NOT LIKE $1::text
          AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype IN ('e', 'a', 'i'))";
    let rows = client.query(sql, &[&except]).await?;
    Ok(rows.iter().map(|row| Relation { name: row.get("name"), kind: row.get("kind") }).collect())
}

/// The number of tables in public.
pub async fn count_tables(client: &Client) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'public' AND c.relkind = 'r'";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// The schemas whose owner role the role is not a member of.
pub async fn foreign_schemas(client: &Client) -> Result<Vec<String>, Error> {
    let sql = r"SELECT nspname AS name FROM pg_namespace
                WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('public', 'information_schema')
                  AND NOT pg_has_role(current_user, nspowner, 'USAGE')";
    Ok(names(&client.query(sql, &[]).await?))
}

fn names(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.get("name")).collect()
}
