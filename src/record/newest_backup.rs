//! The site's newest backup, in the site's database: `public."__cauldron_backup"`, one row for each site. When the volume
//! is lost, a refusal tells it without the repository's password.
//!
//! `backup` makes the table, with the site's own login. It is no part of the schema's versions: no release has to know it.

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Client, Error};

/// A backup that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestBackup {
    pub id: String,
    pub age: SignedDuration,
}

/// Records a backup, unless a newer one is on record.
pub async fn write(client: &Client, site: &str, id: &str, taken: Timestamp) -> Result<(), Error> {
    if !is_there(client).await? {
        let create = r#"CREATE TABLE IF NOT EXISTS public."__cauldron_backup" (
                            site text PRIMARY KEY, id text NOT NULL, taken timestamptz NOT NULL)"#;
        client.batch_execute(create).await?;
    }
    let sql = r#"INSERT INTO public."__cauldron_backup" AS b (site, id, taken) VALUES ($1, $2, to_timestamp($3))
                 ON CONFLICT (site) DO UPDATE SET id = excluded.id, taken = excluded.taken
                 WHERE b.taken < excluded.taken"#;
    client.execute(sql, &[&site, &id, &(taken.as_second() as f64)]).await.map(drop)
}

/// The newest backup on record.
pub async fn read(client: &Client, site: &str) -> Result<Option<NewestBackup>, Error> {
    if !is_there(client).await? {
        return Ok(None);
    }
    let sql = r#"SELECT id, extract(epoch FROM clock_timestamp() - taken)::int8 AS age_s
                 FROM public."__cauldron_backup" WHERE site = $1"#;
    let row = client.query_opt(sql, &[&site]).await?;
    Ok(row.map(|row| NewestBackup { id: row.get("id"), age: SignedDuration::from_secs(row.get("age_s")) }))
}

async fn is_there(client: &Client) -> Result<bool, Error> {
    let sql = r#"SELECT to_regclass('public."__cauldron_backup"') IS NOT NULL AS is_there"#;
    Ok(client.query_one(sql, &[]).await?.get("is_there"))
}
