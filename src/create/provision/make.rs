//! The statements that create the role and the database. There is no DROP among them.

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::facts::Facts;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::postgres::sql::{has_code, identifier, literal, sql_fault};

pub fn comment(install_id: &str) -> String {
    format!("cauldron-frappe {install_id}")
}

pub async fn create_role(
    client: &Client,
    name: &str,
    password: &SecretString,
    install_id: &str,
) -> Result<()> {
    let role = identifier(name);
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD {}", literal(&verifier(password)));
    match client.batch_execute(&create).await {
        Ok(()) => tracing::info!(event = "postgres.role_created", role = name, "created the role"),
        Err(error)
            if has_code(&error, &SqlState::DUPLICATE_OBJECT)
                || has_code(&error, &SqlState::UNIQUE_VIOLATION) =>
        {
            return Ok(());
        }
        Err(error) => return Err(sql_fault(&format!("cannot create role `{name}`"))(error)),
    }
    client
        .batch_execute(&format!("COMMENT ON ROLE {role} IS {}", literal(&comment(install_id))))
        .await
        .map_err(sql_fault("cannot mark the role as ours"))
}

pub async fn set_password(client: &Client, name: &str, password: &SecretString) -> Result<()> {
    let alter = format!("ALTER ROLE {} LOGIN PASSWORD {}", identifier(name), literal(&verifier(password)));
    client
        .batch_execute(&alter)
        .await
        .map_err(sql_fault(&format!("cannot set the password of role `{name}`")))
}

/// Returns the form that the server stores: the password itself never crosses the network or reaches the server's log.
pub fn verifier(password: &SecretString) -> String {
    postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes())
}

pub async fn create_database(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    join_role(client, facts, name).await?;
    let quoted = identifier(name);
    let create = format!("CREATE DATABASE {quoted} OWNER {quoted} TEMPLATE template0 ENCODING 'UTF8'");
    let mut result = client.batch_execute(&create).await;
    if result.as_ref().is_err_and(|error| has_code(error, &SqlState::INVALID_PARAMETER_VALUE)) {
        // The cluster's locale has another encoding; the C locale works with every encoding.
        result = client.batch_execute(&format!("{create} LC_COLLATE 'C' LC_CTYPE 'C'")).await;
    }
    match result {
        Ok(()) => {
            tracing::info!(event = "postgres.database_created", database = name, "created the database");
            Ok(())
        }
        Err(error)
            if has_code(&error, &SqlState::DUPLICATE_DATABASE)
                || has_code(&error, &SqlState::UNIQUE_VIOLATION) =>
        {
            Ok(())
        }
        Err(error) => Err(sql_fault(&format!("cannot create database `{name}`"))(error)),
    }
}

/// Makes the site's role the owner of an empty database that an operator created: from PostgreSQL 15 on only the owner
/// may create objects in its schema public.
pub async fn take_ownership(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    join_role(client, facts, name).await?;
    let quoted = identifier(name);
    match client.batch_execute(&format!("ALTER DATABASE {quoted} OWNER TO {quoted}")).await {
        Ok(()) => {
            tracing::info!(
                event = "postgres.database_owner_changed",
                database = name,
                "made the site's role the owner of the empty database"
            );
            Ok(())
        }
        // `may_create_tables` checks later, as the role, whether it can work in the database without owning it.
        Err(error) if has_code(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Ok(()),
        Err(error) => {
            Err(sql_fault(&format!("cannot make the site's role the owner of database `{name}`"))(error))
        }
    }
}

/// Makes the login a member of the role, as a non-superuser must be to make that role an owner (with SET from
/// PostgreSQL 16 on).
pub async fn join_role(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    if facts.superuser || facts.login == name {
        return Ok(());
    }
    let version: i32 = client
        .query_one("SELECT current_setting('server_version_num')::int4", &[])
        .await
        .map_err(sql_fault("cannot read the server's version"))?
        .get(0);
    let (options, right) = if version >= 160_000 { (" WITH SET TRUE", "SET") } else { ("", "MEMBER") };
    // A grant by an operator is enough: a member need not have the right to grant the membership.
    let has = client
        .query_one("SELECT pg_has_role(current_user, $1::text::name, $2)", &[&name, &right])
        .await
        .map_err(sql_fault("cannot read the login's memberships"))?;
    if has.get(0) {
        return Ok(());
    }
    let grant = format!("GRANT {} TO {}{options}", identifier(name), identifier(&facts.login));
    match client.batch_execute(&grant).await {
        Ok(()) => Ok(()),
        Err(error) if has_code(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Err(Fault::permission(
            format!("login `{}` may not make role `{name}` an owner", facts.login),
            format!("run as an administrator: {grant};"),
        )
        .named(Refusal::PrivilegeMissing)),
        Err(error) => Err(sql_fault("cannot become a member of the site's role")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_sent_as_a_verifier() {
        let sent = verifier(&"can'ary".into());
        assert!(sent.starts_with("SCRAM-SHA-256$") && !sent.contains("ary"), "{sent}");
    }
}
