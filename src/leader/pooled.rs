//! Transaction poolers (PgBouncer, RDS Proxy, Supavisor): a lock taken through one would be anybody's.

use crate::config::database::{DatabaseConfig, Login};
use crate::deps::postgres::pooler;
use crate::outcome::{Fault, Result};
use crate::postgres::{self, Connection, Options};

/// `direct` is where the connection goes to.
///
/// # Errors
/// 78 where two sessions there share a backend.
pub async fn refuse_a_pooler(
    direct: &DatabaseConfig,
    connection: &Connection,
    login: &Login,
    database: &str,
) -> Result<()> {
    if !pooler::stands_between(connection).await? {
        return Ok(());
    }
    let second = postgres::connect(direct, login, database, "cauldron/look", &Options::default()).await?;
    if !pooler::shares_a_backend(connection, &second).await {
        return Ok(());
    }
    Err(Fault::configuration(
        format!("{} port {} pools by transaction: a lock does not last there", direct.host, direct.port),
        "set CAULDRON_DB_DIRECT_HOST and CAULDRON_DB_DIRECT_PORT to PostgreSQL itself; Frappe goes on using DB_HOST",
    ))
}
