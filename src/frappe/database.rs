//! A site's database as a whole: whether Frappe has finished it, who is in it, and whether its tables are still the same.

use tokio_postgres::{Client, Error};

/// SQL for what tells one set of tables from another: a restored backup has new ones.
pub const LANDMARK: &str = r#"to_regclass('public."tabDocType"')::oid"#;

/// new-site came to its end: Frappe's own list of its apps is there, and Administrator's password.
pub async fn is_complete(client: &Client) -> Result<bool, Error> {
    let sql = r#"SELECT EXISTS (SELECT 1 FROM public."tabDefaultValue"
                   WHERE parent = '__global' AND defkey = 'installed_apps' AND defvalue LIKE '%frappe%')
       AND EXISTS (SELECT 1 FROM public."__Auth"
                   WHERE doctype = 'User' AND name = 'Administrator' AND fieldname = 'password')"#;
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Whether the tables are there that [`is_complete`] asks.
pub async fn has_core_tables(client: &Client) -> Result<bool, Error> {
    let sql = r#"SELECT to_regclass('public."tabDefaultValue"') IS NOT NULL
                    AND to_regclass('public."__Auth"') IS NOT NULL"#;
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Whether anybody is a user but those that new-site makes. False where there is no table of users.
pub async fn has_people(client: &Client) -> Result<bool, Error> {
    let there = r#"SELECT to_regclass('public."tabUser"') IS NOT NULL"#;
    if !client.query_one(there, &[]).await?.get::<_, bool>(0) {
        return Ok(false);
    }
    let people =
        r#"SELECT EXISTS (SELECT 1 FROM public."tabUser" WHERE name NOT IN ('Administrator', 'Guest'))"#;
    Ok(client.query_one(people, &[]).await?.get(0))
}

/// Changes when the site is migrated, restored or made anew: a row that was written has another xmin or another place.
pub async fn state_of_migration(client: &Client) -> Result<String, Error> {
    let sql = r#"SELECT concat_ws(' ', to_regclass('public."tabDocType"')::oid,
        (SELECT defvalue FROM public."tabDefaultValue" WHERE parent = '__global' AND defkey = 'installed_apps'),
        (SELECT md5(string_agg(xmin::text || ctid::text, ',' ORDER BY ctid)) FROM public."tabPatch Log"),
        (SELECT md5(string_agg(xmin::text || ctid::text, ',' ORDER BY ctid)) FROM public."tabInstalled Application"),
        (SELECT md5(string_agg(xmin::text || ctid::text, ',' ORDER BY ctid)) FROM public."tabDocType"))"#;
    Ok(client.query_one(sql, &[]).await?.get(0))
}
