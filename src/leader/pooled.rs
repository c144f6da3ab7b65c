//! Refuses transaction poolers (PgBouncer, RDS Proxy, Supavisor): a session lock taken through one can end up with any
//! client. Frappe's own connection may go through one up to version 16; later versions take session locks themselves.

use crate::bench::Bench;
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
    match pools_by_transaction(direct, connection, login, database).await? {
        true => Err(refused(
            direct,
            "set CAULDRON_DB_DIRECT_HOST and CAULDRON_DB_DIRECT_PORT to PostgreSQL itself; Frappe continues to use DB_HOST",
        )),
        false => Ok(()),
    }
}

/// The first major version of Frappe that takes session locks (docs/frappe-contract.md#after-version-16).
const FIRST_MAJOR_WITH_LOCKS: u32 = 17;

/// Refuses a pooler at DB_HOST for a Frappe that takes session locks there.
///
/// # Errors
/// 78 if two sessions share a backend.
pub async fn refuse_transaction_pooler_of_frappe(
    bench: &Bench,
    database: &DatabaseConfig,
    login: &Login,
    name: &str,
) -> Result<()> {
    if database.direct.is_none() || bench.frappe_major().is_none_or(|major| major < FIRST_MAJOR_WITH_LOCKS) {
        return Ok(());
    }
    let first = postgres::connect(database, login, name, "cauldron/look", &Options::default()).await?;
    match pools_by_transaction(database, &first, login, name).await? {
        true => Err(refused(
            database,
            "set DB_HOST and DB_PORT to PostgreSQL itself, or to a pooler in session mode: this version of Frappe takes \
             session locks of its own",
        )),
        false => Ok(()),
    }
}

async fn pools_by_transaction(
    server: &DatabaseConfig,
    connection: &Connection,
    login: &Login,
    database: &str,
) -> Result<bool> {
    if !pooler::detect(connection).await? {
        return Ok(false);
    }
    let second = postgres::connect(server, login, database, "cauldron/look", &Options::default()).await?;
    Ok(pooler::share_backend(connection, &second).await)
}

fn refused(server: &DatabaseConfig, hint: &str) -> Fault {
    let DatabaseConfig { host, port, .. } = server;
    Fault::configuration(
        format!("{host} port {port} is a transaction pooler: a session lock does not last there"),
        hint,
    )
    .named(Refusal::TransactionPooler)
}
