//! Jobs that an app has the scheduler run: rows of Scheduled Job Type, made of the app's hooks by install and migrate.

use tokio_postgres::{Client, Error};

pub async fn are_there(client: &Client, app: &str) -> Result<bool, Error> {
    let sql = r#"SELECT EXISTS (SELECT FROM public."tabScheduled Job Type" WHERE starts_with(method, $1))"#;
    Ok(client.query_one(sql, &[&format!("{app}.")]).await?.get(0))
}
