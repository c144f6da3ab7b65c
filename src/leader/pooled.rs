//! Refuses transaction poolers (PgBouncer, RDS Proxy, Supavisor): a session lock taken through one can end up with any
//! client.

use crate::config::database::{DatabaseConfig, Login};
use crate::deps::postgres::pooler;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::postgres::{self, Connection, Options};

/// Refuses a pooler in front of `direct`, the server of the connection.
///
/// # Errors
/// 78 if two sessions share a backend.
pub async fn refuse_transaction_pooler(
    direct: &DatabaseConfig,
    connection: &Connection,
    login: &Login,
    database: &str,
) -> Result<()> {
    if !pooler::detect(connection).await? {
        return Ok(());
    }
    let second = postgres::connect(direct, login, database, "cauldron/look", &Options::default()).await?;
    if !pooler::share_backend(connection, &second).await {
        return Ok(());
    }
    Err(Fault::configuration(
        format!("{} port {} is a transaction pooler: a session lock does not last there", direct.host, direct.port),
        "set CAULDRON_DB_DIRECT_HOST and CAULDRON_DB_DIRECT_PORT to PostgreSQL itself; Frappe continues to use DB_HOST",
    )
    .named(Refusal::TransactionPooler))
}
