//! The identity of a database: the record counts only in the database that it was written in.

use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Error};

/// The identity of a database: cluster and name, which together are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseId {
    /// None if the server hides it.
    pub system_identifier: Option<String>,
    pub name: String,
}

/// SQL that is true if the row was written in this database. Two fresh clusters give their first database the same
/// OID, so the cluster counts too, where it can be read; $1 is [`system_identifier`].
pub(super) const WRITTEN_HERE: &str =
    "database_oid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND coalesce(system_identifier = $1::text, true)";

/// The identity of the connected database.
pub async fn read(client: &Client) -> Result<DatabaseId, Error> {
    let row = client.query_one("SELECT current_database()::text AS name", &[]).await?;
    Ok(DatabaseId { system_identifier: system_identifier(client).await, name: row.get("name") })
}

/// The cluster's identity; managed servers may hide it.
pub(super) async fn system_identifier(client: &Client) -> Option<String> {
    let row = client.query_one("SELECT system_identifier::text FROM pg_control_system()", &[]).await.ok()?;
    row.get("system_identifier")
}
