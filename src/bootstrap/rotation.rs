//! Passwords that changed: what opens the database, what site_config.json says and what the operator
//! wants are brought together, on a complete site and by its leader.
//!
//! The role first, the file after it: killed in between, the wanted password opens the database at
//! the next start, and the file follows then.

use tokio_postgres::Client;

use super::Context;
use super::decide::Folder;
use super::provision::verifier;
use super::sql::{identifier, literal, told};
use super::volume::same_secret;
use crate::frappe::site_config;
use crate::outcome::Result;
use secrecy::SecretString;

/// `works` is the password that opened the database as the role `name`.
///
/// # Errors
/// 77 where the server keeps roles from changing their own password.
pub async fn follow(
    context: &Context<'_>,
    client: &Client,
    name: &str,
    works: &SecretString,
    seen: Folder,
) -> Result<()> {
    let wanted = context.config.site_db_password.as_ref().unwrap_or(works);
    let changed = !same_secret(wanted, works);
    if changed {
        let alter = format!("ALTER ROLE {} PASSWORD {}", identifier(name), literal(&verifier(wanted)));
        client
            .batch_execute(&alter)
            .await
            .map_err(told("cannot give the site's role the password in SITE_DB_PASSWORD"))?;
        tracing::info!(role = name, "gave the site's role the password in SITE_DB_PASSWORD");
    }
    if changed || matches!(seen, Folder::Rotated | Folder::NoConfig | Folder::Absent) {
        site_config::write_login(&context.bench.site(context.site), name, wanted).await?;
        tracing::info!(site = context.site, "wrote the database's password into site_config.json");
    }
    Ok(())
}
