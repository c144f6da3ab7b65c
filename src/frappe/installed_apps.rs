//! The site's list of installed apps in the database (frappe.get_installed_apps), and their versions.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Error};

use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::postgres::sql::sql_fault;

/// The installed apps in order of installation; frappe is the first.
///
/// # Errors
/// The list cannot be read, or is invalid.
pub async fn read(client: &Client) -> Result<Vec<String>> {
    let text = text(client).await.map_err(sql_fault("cannot read installed_apps"))?;
    serde_json::from_str(&text.unwrap_or_default()).map_err(|_| {
        Fault::try_again(
            "installed_apps in the database is not a list",
            "check tabDefaultValue (defkey installed_apps)",
        )
        .named(Refusal::InstalledAppsInvalid)
    })
}

/// The installed apps; empty if the list is invalid.
///
/// # Errors
/// The list cannot be read.
pub async fn read_or_empty(client: &Client) -> Result<Vec<String>> {
    let text = text(client).await.map_err(sql_fault("cannot read the installed apps"))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

async fn text(client: &Client) -> std::result::Result<Option<String>, Error> {
    let sql = r#"SELECT defvalue FROM public."tabDefaultValue"
                 WHERE parent = '__global' AND defkey = 'installed_apps' LIMIT 1"#;
    Ok(client.query_opt(sql, &[]).await?.and_then(|row| row.get("defvalue")))
}

/// The versions in Installed Application, by app. Frappe writes them at the end of a migrate.
pub async fn versions(client: &Client) -> std::result::Result<BTreeMap<String, String>, Error> {
    let sql =
        r#"SELECT app_name, coalesce(app_version, '') AS version FROM public."tabInstalled Application""#;
    let rows = client.query(sql, &[]).await?;
    let version =
        |row: &tokio_postgres::Row| Some((row.get::<_, Option<String>>("app_name")?, row.get("version")));
    Ok(rows.iter().filter_map(version).collect())
}
