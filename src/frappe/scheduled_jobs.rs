//! The scheduled jobs of an app: rows of Scheduled Job Type, which install and migrate create from the app's hooks.

use tokio_postgres::{Client, Error};

/// True if an app has scheduled jobs.
pub async fn exist(client: &Client, app: &str) -> Result<bool, Error> {
    let sql = r#"SELECT EXISTS (SELECT FROM public."tabScheduled Job Type" WHERE starts_with(method, $1))"#;
    Ok(client.query_one(sql, &[&format!("{app}.")]).await?.get(0))
}
