//! Role and database, made where they are absent. There is no DROP in this program.
//!
//! An *administrator* login makes both, named DB_NAME; an *owner* login (managed PostgreSQL) uses
//! the database it was given. What exists is looked at first, and a database that holds anything
//! is not touched: no owner, no grant, no password changes before its site is known to be ours.

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::decide::Database;
use super::observe;
use super::sql::{has_code, identifier, literal, told};
use crate::config::database::{DatabaseConfig, Login};
use crate::net::Kind;
use crate::outcome::{Fault, Result};
use crate::postgres::{self, Connection, Options};

/// How our sessions are seen in pg_stat_activity.
const APPLICATION: &str = "cauldron/provision";
/// An advisory lock of the maintenance database: provisioning is done by one at a time.
const PROVISION_LOCK: i64 = 0x6361_756c_7072_6f76; // "caulprov"

/// What the administrator's login saw.
#[derive(Debug)]
struct Facts {
    /// Some(comment) where the role is there.
    role: Option<Option<String>>,
    /// Some(owner) where the database is there.
    database: Option<String>,
    login: String,
    superuser: bool,
    may_create_role: bool,
    may_create_database: bool,
}

/// Makes role and database with the administrator's login.
///
/// `password` is the site's own: what a new role gets. Whether an existing role has it is for the
/// caller to try. `database_may_be_new` is false where the volume already knows the site: an absent
/// database is a lost one then.
///
/// # Errors
/// 77 naming the missing grant, 65 for a database that is not ours, 75 for what may pass.
pub async fn provision(
    database: &DatabaseConfig,
    admin: &Login,
    name: &str,
    password: &SecretString,
    install_id: &str,
    database_may_be_new: bool,
) -> Result<()> {
    let maintenance = connect_maintenance(database, admin).await?;
    // Held until this connection closes.
    maintenance
        .execute("SELECT pg_advisory_lock($1)", &[&PROVISION_LOCK])
        .await
        .map_err(told("cannot take the provisioning lock"))?;
    let facts = look(&maintenance, name).await?;
    if facts.database.is_none() && !database_may_be_new {
        return Err(Fault::foreign_data(
            format!("the site's folder is there, and the server has no database `{name}`"),
            "the database is lost or this is the wrong server: point DB_HOST and DB_NAME at the right one, or restore it from a backup; nothing was changed",
        ));
    }
    preflight(&facts, name)?;
    if facts.database.is_some() && holds_anything(database, admin, name).await? {
        return match &facts.role {
            Some(_) => Ok(()),
            None => Err(Fault::foreign_data(
                format!(
                    "database `{name}` holds data, and there is no role `{name}` that it could belong to"
                ),
                "name an empty or a new database in DB_NAME; nothing was changed",
            )),
        };
    }
    if facts.role.is_none() {
        create_role(&maintenance, name, password, install_id).await?;
    } else if facts.role.as_ref().and_then(Option::as_deref) == Some(comment(install_id).as_str()) {
        // Ours, and nothing lives behind it yet: an earlier start made it and was killed.
        set_password(&maintenance, name, password).await?;
    }
    match facts.database.as_deref() {
        None => create_database(&maintenance, &facts, name).await,
        Some(owner) if owner != name => take_ownership(&maintenance, &facts, name).await,
        Some(_) => Ok(()),
    }
}

/// A session in the first maintenance database that is there.
async fn connect_maintenance(database: &DatabaseConfig, admin: &Login) -> Result<Connection> {
    let mut last = None;
    for name in postgres::maintenance_databases(database, admin) {
        match postgres::connect(database, admin, &name, APPLICATION, &Options::default()).await {
            Ok(connection) => return Ok(connection),
            Err(error) if error.kind == Kind::NoSuchDatabase => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.map_or_else(
        || Fault::configuration("no maintenance database is named", "set CAULDRON_DB_ADMIN_DATABASE"),
        Fault::from,
    ))
}

async fn look(client: &Client, name: &str) -> Result<Facts> {
    let login = client
        .query_one(
            "SELECT rolname::text, rolsuper, rolsuper OR rolcreaterole, rolsuper OR rolcreatedb
             FROM pg_roles WHERE rolname = current_user",
            &[],
        )
        .await
        .map_err(told("cannot ask what the login may do"))?;
    let role = client
        .query_opt("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", &[&name])
        .await
        .map_err(told("cannot look for the role"))?;
    let database = client
        .query_opt("SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1", &[&name])
        .await
        .map_err(told("cannot look for the database"))?;
    Ok(Facts {
        role: role.map(|row| row.get(0)),
        database: database.map(|row| row.get(0)),
        login: login.get(0),
        superuser: login.get(1),
        may_create_role: login.get(2),
        may_create_database: login.get(3),
    })
}

/// Names the grant that is missing, before anything is made.
fn preflight(facts: &Facts, name: &str) -> Result<()> {
    let mut missing = Vec::new();
    if facts.role.is_none() && !facts.may_create_role {
        missing.push(("CREATEROLE", format!("role `{name}`")));
    }
    if facts.database.is_none() && !facts.may_create_database {
        missing.push(("CREATEDB", format!("database `{name}`")));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let what: Vec<&str> = missing.iter().map(|(_, what)| what.as_str()).collect();
    let rights: Vec<&str> = missing.iter().map(|(right, _)| *right).collect();
    Err(Fault::permission(
        format!("login `{}` may not create {}", facts.login, what.join(" and ")),
        format!(
            "run as an administrator: ALTER ROLE {} {}; or create what is missing and set DB_USER={name}",
            identifier(&facts.login),
            rights.join(" ")
        ),
    ))
}

/// Looks into an existing database. One that cannot be looked into may hold anything.
async fn holds_anything(database: &DatabaseConfig, admin: &Login, name: &str) -> Result<bool> {
    match postgres::connect(database, admin, name, APPLICATION, &Options::default()).await {
        Ok(client) => Ok(observe::database(&client).await? != Database::Empty),
        Err(error) => {
            tracing::debug!(%error, "the administrator cannot look into the database; it is left as it is");
            Ok(true)
        }
    }
}

fn comment(install_id: &str) -> String {
    format!("cauldron-frappe {install_id}")
}

async fn create_role(client: &Client, name: &str, password: &SecretString, install_id: &str) -> Result<()> {
    let role = identifier(name);
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD {}", literal(&verifier(password)));
    match client.batch_execute(&create).await {
        Ok(()) => tracing::info!(role = name, "created the role"),
        Err(error)
            if has_code(&error, &SqlState::DUPLICATE_OBJECT)
                || has_code(&error, &SqlState::UNIQUE_VIOLATION) =>
        {
            return Ok(());
        }
        Err(error) => return Err(told(&format!("cannot create role `{name}`"))(error)),
    }
    client
        .batch_execute(&format!("COMMENT ON ROLE {role} IS {}", literal(&comment(install_id))))
        .await
        .map_err(told("cannot mark the role as ours"))
}

async fn set_password(client: &Client, name: &str, password: &SecretString) -> Result<()> {
    let alter = format!("ALTER ROLE {} LOGIN PASSWORD {}", identifier(name), literal(&verifier(password)));
    client.batch_execute(&alter).await.map_err(told(&format!("cannot set the password of role `{name}`")))
}

/// What the server stores; the password itself never crosses the wire, nor reaches its log.
fn verifier(password: &SecretString) -> String {
    postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes())
}

async fn create_database(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    join_role(client, facts, name).await?;
    let quoted = identifier(name);
    let create = format!("CREATE DATABASE {quoted} OWNER {quoted} TEMPLATE template0 ENCODING 'UTF8'");
    let mut result = client.batch_execute(&create).await;
    if result.as_ref().is_err_and(|error| has_code(error, &SqlState::INVALID_PARAMETER_VALUE)) {
        // The cluster's locale is of another encoding; C goes with every one.
        result = client.batch_execute(&format!("{create} LC_COLLATE 'C' LC_CTYPE 'C'")).await;
    }
    match result {
        Ok(()) => {
            tracing::info!(database = name, "created the database");
            Ok(())
        }
        Err(error)
            if has_code(&error, &SqlState::DUPLICATE_DATABASE)
                || has_code(&error, &SqlState::UNIQUE_VIOLATION) =>
        {
            Ok(())
        }
        Err(error) => Err(told(&format!("cannot create database `{name}`"))(error)),
    }
}

/// An empty database that an operator made beforehand: Frappe's role must own it from PostgreSQL 15
/// on, where nobody else may create in its schema public.
async fn take_ownership(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    join_role(client, facts, name).await?;
    let quoted = identifier(name);
    match client.batch_execute(&format!("ALTER DATABASE {quoted} OWNER TO {quoted}")).await {
        Ok(()) => {
            tracing::info!(database = name, "gave the empty database to the site's role");
            Ok(())
        }
        // Whether the role can work in it all the same is asked later, by name.
        Err(error) if has_code(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Ok(()),
        Err(error) => Err(told(&format!("cannot give database `{name}` to its role"))(error)),
    }
}

/// Who is no superuser must be a member of the role it makes an owner; from PostgreSQL 16 on with SET.
async fn join_role(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    if facts.superuser || facts.login == name {
        return Ok(());
    }
    let version: i32 = client
        .query_one("SELECT current_setting('server_version_num')::int4", &[])
        .await
        .map_err(told("cannot ask for the version"))?
        .get(0);
    let options = if version >= 160_000 { " WITH SET TRUE" } else { "" };
    let grant = format!("GRANT {} TO {}{options}", identifier(name), identifier(&facts.login));
    match client.batch_execute(&grant).await {
        Ok(()) => Ok(()),
        Err(error) if has_code(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Err(Fault::permission(
            format!("login `{}` may not make role `{name}` an owner", facts.login),
            format!("run as an administrator: {grant};"),
        )),
        Err(error) => Err(told("cannot become a member of the site's role")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(may_create_role: bool, may_create_database: bool) -> Facts {
        Facts {
            role: None,
            database: None,
            login: "app".into(),
            superuser: false,
            may_create_role,
            may_create_database,
        }
    }

    #[test]
    fn the_missing_grant_is_named() {
        assert!(preflight(&facts(true, true), "frappe").is_ok());
        let fault = preflight(&facts(false, true), "frappe").unwrap_err();
        assert!(fault.mend.contains(r#"ALTER ROLE "app" CREATEROLE;"#), "{fault}");
        let fault = preflight(&facts(false, false), "frappe").unwrap_err();
        assert!(fault.mend.contains("CREATEROLE CREATEDB"), "{fault}");
        assert_eq!(fault.code, crate::outcome::PERMISSION);
    }

    #[test]
    fn the_password_is_sent_as_a_verifier() {
        let sent = verifier(&"can'ary".into());
        assert!(sent.starts_with("SCRAM-SHA-256$") && !sent.contains("ary"), "{sent}");
    }
}
