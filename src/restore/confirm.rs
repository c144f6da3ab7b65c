//! The last checks before a restore shuts the site: whether it would be lost.

use super::database;
use super::hold::Held;
use super::run::Request;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::record::restored::Restored;
use crate::record::volume::Volume;
use crate::site_state::decide::{Database, Folder, Names, decide};
use crate::site_state::observe;

/// The site that a restore replaces.
#[derive(Debug, PartialEq, Eq)]
pub enum Loss {
    /// None, or one that may be replaced without a backup of it.
    Nothing,
    /// A complete site, of which a backup can be taken.
    UnlessBackedUp,
}

/// The last checks before the site is shut.
///
/// # Errors
/// 65 for a site that would be lost, and for contents that are not a site of ours; 77 for a missing right.
pub async fn confirm(held: &Held<'_>, request: &Request, continues: bool) -> Result<Loss> {
    let Held { context, leadership, .. } = held;
    if request.database {
        database::check_rights(leadership.client()).await?;
    }
    if continues || database::has_aside(leadership.client()).await? {
        return Ok(Loss::Nothing);
    }
    let Some(id) = site_there(held).await? else { return Ok(Loss::Nothing) };
    if let Some(Restored { confirm, .. }) = request.confirmed.as_ref().filter(|given| given.confirm != id) {
        return Err(other_confirmed(&id, confirm));
    }
    let has_folder = context.pod.bench.site(context.site).join("site_config.json").exists();
    if !request.database && !has_folder {
        // The volume is lost: there are no files that could be.
        return Ok(Loss::Nothing);
    }
    match &request.waived {
        Some(waived) if *waived == id => {
            tracing::warn!(
                event = "restore.without_safety_backup",
                id,
                "replacing the site without a backup of it, as requested"
            );
            Ok(Loss::Nothing)
        }
        Some(_) => Err(unconfirmed(&id, "`--no-safety-backup` names another site")),
        None if !has_folder => {
            Err(unconfirmed(&id, "no backup of it can be taken, because its folder is lost"))
        }
        None if context.pod.config.backup.to.is_none() => {
            Err(unconfirmed(&id, "no repository for a backup of it is configured"))
        }
        None => Ok(Loss::UnlessBackedUp),
    }
}

/// True if the restore that was confirmed is complete. It is done once.
///
/// # Errors
/// As for any file; 78 for a mark that cannot be parsed.
pub fn was_done_before(volume: &Volume, confirmed: Option<&Restored>) -> Result<bool> {
    let Some(confirmed) = confirmed else { return Ok(false) };
    let was_done = volume.was_restored(confirmed)?;
    if was_done {
        let from = confirmed.from.as_str();
        tracing::info!(
            event = "restore.done_before",
            from,
            "this restore is complete already; nothing was changed"
        );
    }
    Ok(was_done)
}

/// The id of the complete site in the database; None if there is none.
///
/// # Errors
/// 65 for contents that are not a site of ours.
async fn site_there(held: &Held<'_>) -> Result<Option<String>> {
    let client = held.leadership.client();
    let records = observe::records(client, held.context.site).await?;
    let observation =
        observe::observe(client, held.context.site, &records, &held.volume, Folder::LoginWorks).await?;
    let names = Names { site: held.context.site, database: &held.own.database, adopt: None };
    if records.other_site.is_some() || matches!(observation.database, Database::NotComplete(_)) {
        decide(&observation, &names)?;
    }
    Ok((observation.database == Database::Complete).then_some(observation.database_id))
}

/// The refusal of a restore over a site that would be lost.
fn unconfirmed(id: &str, reason: &str) -> Fault {
    Fault::foreign_data(
        format!("there is a complete site in the database, and {reason}: it would be lost"),
        format!(
            "set CAULDRON_BACKUP_TO, so that a backup of it is taken first, or add `--no-safety-backup {id}` to replace it \
             without one; nothing was changed"
        ),
    )
    .named(Refusal::RestoreUnconfirmed)
}

/// The refusal of a restore whose `--confirm` names another site than the one that is there.
fn other_confirmed(id: &str, given: &str) -> Fault {
    Fault::foreign_data(
        format!("there is a complete site in the database, whose id is {id}, and `--confirm` is {given}"),
        format!(
            "to replace that site after a backup of it: `--confirm {id}`, or frappe.restore.confirm in the chart; nothing \
             was changed"
        ),
    )
    .named(Refusal::RestoreUnconfirmed)
}
