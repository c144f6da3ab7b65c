//! Password rotation: makes the database role, site_config.json and the configured password agree. The leader does it,
//! on a complete site only.
//!
//! The role is changed first and the file after it: if the process is killed in between, the configured password opens
//! the database at the next start, and the file is written then.

use tokio_postgres::Client;

use super::provision::verifier;
use crate::frappe::site_config;
use crate::leader::context::Context;
use crate::leader::own::Own;
use crate::outcome::Result;
use crate::postgres::sql::{identifier, literal, sql_fault};
use crate::record::volume::same_secret;
use crate::site_state::decide::Folder;
use secrecy::SecretString;

/// `opened_with` is the password that opened the database as the site's role. If the file names a role that this Frappe
/// ignores, both roles may have that password, and neither is changed.
///
/// # Errors
/// 77 if the server does not let roles change their own password.
pub async fn apply(
    context: &Context<'_>,
    client: &Client,
    own: &Own,
    opened_with: &SecretString,
    seen: Folder,
) -> Result<()> {
    let wanted = context.pod.config.site_db_password.as_ref().unwrap_or(opened_with);
    let changed = !same_secret(wanted, opened_with);
    let folder = site_config::inspect(&context.pod.bench, context.site).ok();
    let ignored = folder.as_ref().and_then(|folder| folder.config()?.ignored_user.clone());
    if let Some(user) = ignored {
        if changed {
            tracing::warn!(
                event = "site.password_not_rotated",
                db_user = user,
                "site_config.json names a role that this Frappe ignores: SITE_DB_PASSWORD is set on neither role; \
                 remove db_user from that file first"
            );
        }
        return Ok(());
    }
    if changed {
        let alter = format!("ALTER ROLE {} PASSWORD {}", identifier(&own.user), literal(&verifier(wanted)));
        client
            .batch_execute(&alter)
            .await
            .map_err(sql_fault("cannot set the password of the site's role to SITE_DB_PASSWORD"))?;
        tracing::info!(
            event = "site.role_password_set",
            role = own.user,
            "set the password of the site's role to SITE_DB_PASSWORD"
        );
    }
    if changed || matches!(seen, Folder::Rotated | Folder::NoConfig | Folder::Absent) {
        site_config::write_login(&context.pod.bench.site(context.site), &own.database, wanted).await?;
        tracing::info!(
            event = "site.config_password_written",
            site = context.site,
            "wrote the database password to site_config.json"
        );
    }
    Ok(())
}
