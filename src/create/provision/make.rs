//! The statements that make role and database. There is no DROP among them.

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::facts::Facts;
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
        Ok(()) => tracing::info!(role = name, "created the role"),
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

/// What the server stores; the password itself never crosses the wire, nor reaches its log.
pub fn verifier(password: &SecretString) -> String {
    postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes())
}

pub async fn create_database(client: &Client, facts: &Facts, name: &str) -> Result<()> {
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
        Err(error) => Err(sql_fault(&format!("cannot create database `{name}`"))(error)),
    }
}

/// An empty database that an operator made beforehand: Frappe's role must own it from PostgreSQL 15
/// on, where nobody else may create in its schema public.
pub async fn take_ownership(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    join_role(client, facts, name).await?;
    let quoted = identifier(name);
    match client.batch_execute(&format!("ALTER DATABASE {quoted} OWNER TO {quoted}")).await {
        Ok(()) => {
            tracing::info!(database = name, "gave the empty database to the site's role");
            Ok(())
        }
        // Whether the role can work in it all the same is asked later, by name.
        Err(error) if has_code(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Ok(()),
        Err(error) => Err(sql_fault(&format!("cannot give database `{name}` to its role"))(error)),
    }
}

/// Who is no superuser must be a member of the role it makes an owner; from PostgreSQL 16 on with SET.
pub async fn join_role(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    if facts.superuser || facts.login == name {
        return Ok(());
    }
    let version: i32 = client
        .query_one("SELECT current_setting('server_version_num')::int4", &[])
        .await
        .map_err(sql_fault("cannot ask for the version"))?
        .get(0);
    let (options, right) = if version >= 160_000 { (" WITH SET TRUE", "SET") } else { ("", "MEMBER") };
    // An operator's grant is enough; who has it need not be able to give it.
    let has = client
        .query_one("SELECT pg_has_role(current_user, $1::text::name, $2)", &[&name, &right])
        .await
        .map_err(sql_fault("cannot ask whose member the login is"))?;
    if has.get(0) {
        return Ok(());
    }
    let grant = format!("GRANT {} TO {}{options}", identifier(name), identifier(&facts.login));
    match client.batch_execute(&grant).await {
        Ok(()) => Ok(()),
        Err(error) if has_code(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Err(Fault::permission(
            format!("login `{}` may not make role `{name}` an owner", facts.login),
            format!("run as an administrator: {grant};"),
        )),
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
