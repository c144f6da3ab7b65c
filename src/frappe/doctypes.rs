//! DocTypes that come from code, as the database has them.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Error, Row};

/// The digest of a DocType's file, and its time.
#[derive(Clone, Debug)]
pub struct Known {
    pub hash: Option<String>,
    pub modified: String,
}

/// By name.
pub async fn known(client: &Client) -> Result<BTreeMap<String, Known>, Error> {
    // Columns differ from version to version: what is absent reads as null.
    let sql = r#"SELECT name, to_jsonb(t) ->> 'migration_hash' AS hash, coalesce(modified::text, '') AS modified
                 FROM public."tabDocType" AS t WHERE coalesce((to_jsonb(t) ->> 'custom')::int, 0) = 0"#;
    let known = |row: &Row| {
        let hash: Option<String> = row.get("hash");
        let known = Known { hash: hash.filter(|hash| !hash.is_empty()), modified: row.get("modified") };
        (row.get("name"), known)
    };
    Ok(client.query(sql, &[]).await?.iter().map(known).collect())
}
