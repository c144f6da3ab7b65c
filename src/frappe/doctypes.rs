//! The DocTypes from code that the database has on record.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Error, Row};

/// DocTypes that came with Frappe 15 and are still in 16 and in develop: tables without all of them are of Frappe 14 or
/// older. Its `new-site` leaves no other record of the version before the first migrate, and version 14 has patches that
/// are named after 15.
pub const SINCE_15: [&str; 3] = ["Recorder", "Reminder", "Submission Queue"];

/// The digest and the time of a DocType's file.
#[derive(Clone, Debug)]
pub struct RecordedDocType {
    pub hash: Option<String>,
    pub modified: String,
}

/// The DocTypes by name.
pub async fn recorded(client: &Client) -> Result<BTreeMap<String, RecordedDocType>, Error> {
    // Columns differ between versions: an absent one reads as null.
    let sql = r#"SELECT name, to_jsonb(t) ->> 'migration_hash' AS hash, coalesce(modified::text, '') AS modified
                 FROM public."tabDocType" AS t WHERE coalesce((to_jsonb(t) ->> 'custom')::int, 0) = 0"#;
    let recorded = |row: &Row| {
        let hash: Option<String> = row.get("hash");
        let doctype =
            RecordedDocType { hash: hash.filter(|hash| !hash.is_empty()), modified: row.get("modified") };
        (row.get("name"), doctype)
    };
    Ok(client.query(sql, &[]).await?.iter().map(recorded).collect())
}
