//! `installed_apps`: the database's own list of its apps (frappe.get_installed_apps).

use tokio_postgres::Client;

use crate::outcome::{Fault, Result};
use crate::postgres::sql::told;

/// In the order of their installation; frappe is the first.
///
/// # Errors
/// The list cannot be read, or is none.
pub async fn read(client: &Client) -> Result<Vec<String>> {
    let sql = r#"SELECT defvalue FROM public."tabDefaultValue"
                 WHERE parent = '__global' AND defkey = 'installed_apps' LIMIT 1"#;
    let row = client.query_opt(sql, &[]).await.map_err(told("cannot read installed_apps"))?;
    let text: Option<String> = row.and_then(|row| row.get(0));
    serde_json::from_str(&text.unwrap_or_default()).map_err(|_| {
        Fault::try_again(
            "installed_apps in the database is no list",
            "look at tabDefaultValue (defkey installed_apps)",
        )
    })
}
