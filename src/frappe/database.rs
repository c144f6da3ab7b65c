//! A site's database as a whole: whether it is complete, whether it has users, and whether its tables were replaced.

use tokio_postgres::{Client, Error};

/// SQL for a value that identifies a set of tables: a restore creates new tables, with new OIDs.
pub const LANDMARK: &str = r#"to_regclass('public."tabDocType"')::oid"#;

/// True if new-site finished: Frappe's list of installed apps exists, and Administrator's password.
pub async fn is_complete(client: &Client) -> Result<bool, Error> {
    let sql = r#"SELECT EXISTS (SELECT 1 FROM public."tabDefaultValue"
                   WHERE parent = '__global' AND defkey = 'installed_apps' AND defvalue LIKE '%frappe%')
       AND EXISTS (SELECT 1 FROM public."__Auth"
                   WHERE doctype = 'User' AND name = 'Administrator' AND fieldname = 'password')"#;
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// True if the tables exist that [`is_complete`] reads.
pub async fn has_core_tables(client: &Client) -> Result<bool, Error> {
    let sql = r#"SELECT to_regclass('public."tabDefaultValue"') IS NOT NULL
                    AND to_regclass('public."__Auth"') IS NOT NULL"#;
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// True if there are users besides those that new-site creates. False without a table of users.
pub async fn has_users(client: &Client) -> Result<bool, Error> {
    let has_table = r#"SELECT to_regclass('public."tabUser"') IS NOT NULL"#;
    if !client.query_one(has_table, &[]).await?.get::<_, bool>(0) {
        return Ok(false);
    }
    let users =
        r#"SELECT EXISTS (SELECT 1 FROM public."tabUser" WHERE name NOT IN ('Administrator', 'Guest'))"#;
    Ok(client.query_one(users, &[]).await?.get(0))
}

/// A text that changes when the site is migrated, restored or created again: a written row gets another xmin or ctid.
pub async fn migration_digest(client: &Client) -> Result<String, Error> {
    let sql = r#"SELECT concat_ws(' ', to_regclass('public."tabDocType"')::oid,
        (SELECT defvalue FROM public."tabDefaultValue" WHERE parent = '__global' AND defkey = 'installed_apps'),
        (SELECT md5(string_agg(xmin::text || ctid::text, ',' ORDER BY ctid)) FROM public."tabPatch Log"),
        (SELECT md5(string_agg(xmin::text || ctid::text, ',' ORDER BY ctid)) FROM public."tabInstalled Application"),
        (SELECT md5(string_agg(xmin::text || ctid::text, ',' ORDER BY ctid)) FROM public."tabDocType"))"#;
    Ok(client.query_one(sql, &[]).await?.get(0))
}
