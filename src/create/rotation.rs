//! Passwords that changed: what opens the database, what site_config.json says and what the operator
//! wants are brought together, on a complete site and by its leader.
//!
//! The role first, the file after it: killed in between, the wanted password opens the database at
//! the next start, and the file follows then.

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

/// `works` is the password that opened the database as the site's role. Where the file names a role that
/// this Frappe does not read, its password may be that of both: none is changed.
///
/// # Errors
/// 77 where the server keeps roles from changing their own password.
pub async fn follow(
    context: &Context<'_>,
    client: &Client,
    own: &Own,
    works: &SecretString,
    seen: Folder,
) -> Result<()> {
    let wanted = context.pod.config.site_db_password.as_ref().unwrap_or(works);
    let changed = !same_secret(wanted, works);
    let folder = site_config::look(&context.pod.bench, context.site).ok();
    let ignored = folder.as_ref().and_then(|folder| folder.config()?.ignored_user.clone());
    if let Some(user) = ignored {
        if changed {
            tracing::warn!(
                db_user = user,
                "site_config.json names a role that this Frappe does not read: SITE_DB_PASSWORD is given to neither role; \
                 take db_user out of that file first"
            );
        }
        return Ok(());
    }
    if changed {
        let alter = format!("ALTER ROLE {} PASSWORD {}", identifier(&own.user), literal(&verifier(wanted)));
        client
            .batch_execute(&alter)
            .await
            .map_err(sql_fault("cannot give the site's role the password in SITE_DB_PASSWORD"))?;
        tracing::info!(role = own.user, "gave the site's role the password in SITE_DB_PASSWORD");
    }
    if changed || matches!(seen, Folder::Rotated | Folder::NoConfig | Folder::Absent) {
        site_config::write_login(&context.pod.bench.site(context.site), &own.database, wanted).await?;
        tracing::info!(site = context.site, "wrote the database's password into site_config.json");
    }
    Ok(())
}
