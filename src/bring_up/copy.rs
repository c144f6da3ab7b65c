//! A copy of another installation's site: its mails are muted and its scheduler is paused before any of its code runs,
//! and switched on again when the operator accepts the copy (CAULDRON_CLONE).
//!
//! Both changes can be interrupted at any point: the mark on the volume is written first and removed last.

use std::path::Path;

use serde_json::Value;

use crate::frappe::site_config;
use crate::leader::context::Context;
use crate::leader::lock::Leadership;
use crate::outcome::Result;
use crate::postgres::sql::sql_fault;
use crate::record::identity::{CopyMark, Evidence, Identity, classify};
use crate::record::state::{self, Records};
use crate::record::volume::{Volume, random_id};
use crate::site_state::decide::Action;

/// Frappe's settings that mute a copy.
const SWITCHES: [&str; 2] = ["mute_emails", "pause_scheduler"];

/// The identity of the site, and what follows from it for the volume and the record.
pub struct SiteIdentity {
    /// The installation id for the record.
    pub install_id: String,
    /// Some while the site is a copy.
    pub mark: Option<CopyMark>,
    accepted: Option<CopyMark>,
    /// The mark of a site that never was a copy.
    wrong: Option<CopyMark>,
}

/// Determines the identity, and writes the mark of a new copy to the volume. A site that has to be created is always
/// ours.
pub fn determine_identity(
    context: &Context<'_>,
    records: &Records,
    volume: &Volume,
    action: &Action,
) -> Result<SiteIdentity> {
    if matches!(action, Action::Create | Action::CreateAgain { .. }) {
        return Ok(SiteIdentity::own(volume.install_id()?));
    }
    let (on_volume, mark, restore) = (volume.known_install_id()?, volume.copy_mark()?, volume.restore_mark());
    let identity = classify(&Evidence {
        recorded: records.own.as_ref(),
        history: records.history.as_deref(),
        restore: restore.as_ref().map(|mark| (mark, &records.database)),
        on_volume: on_volume.as_deref(),
        instance: context.pod.config.instance.as_deref(),
        mark: mark.as_ref(),
        accepted: context.pod.config.clone.as_deref(),
    });
    Ok(match (identity, mark) {
        (Identity::Copy { of, why }, _) => {
            let switched = switches_to_set(context);
            let mark = CopyMark { id: random_id(), of, why, switched };
            volume.write_copy_mark(&mark)?;
            SiteIdentity { mark: Some(mark.clone()), ..SiteIdentity::own(mark.id) }
        }
        (Identity::StillCopy, Some(mark)) => {
            SiteIdentity { mark: Some(mark.clone()), ..SiteIdentity::own(mark.id) }
        }
        (Identity::Accepted, Some(mark)) => {
            SiteIdentity { accepted: Some(mark.clone()), ..SiteIdentity::own(mark.id) }
        }
        (Identity::WronglyMarked(id), wrong) => SiteIdentity { wrong, ..SiteIdentity::own(id) },
        (Identity::Own(Some(id)), _) => {
            volume.write_install_id_if_absent(&id)?;
            SiteIdentity::own(id)
        }
        _ => SiteIdentity::own(volume.install_id()?),
    })
}

fn switches_to_set(context: &Context<'_>) -> Vec<String> {
    let is_on = |key: &str| site_config::is_on(&context.pod.bench.site(context.site), key);
    SWITCHES.into_iter().filter(|key| !is_on(key)).map(str::to_string).collect()
}

impl SiteIdentity {
    fn own(install_id: String) -> Self {
        Self { install_id, mark: None, accepted: None, wrong: None }
    }

    /// True for a copy, also in the start that accepts it.
    pub fn is_copy(&self) -> bool {
        self.mark.is_some() || self.accepted.is_some()
    }

    /// Mutes a copy, or switches an accepted copy on. Must run before any Frappe command.
    pub async fn apply(&self, context: &Context<'_>, leadership: &Leadership, volume: &Volume) -> Result<()> {
        let folder = context.pod.bench.site(context.site);
        // From here on our record, written in this database, identifies the site.
        volume.remove_restore_mark()?;
        context.pod.status.update(|status| status.copy_of = self.mark.as_ref().map(|mark| mark.of.clone()));
        if let Some(mark) = &self.mark {
            site_config::edit(&folder, |config| {
                for key in &mark.switched {
                    config.insert(key.clone(), Value::from(1));
                }
            })
            .await?;
            log(mark);
        }
        if let Some(mark) = &self.accepted {
            state::accept_copy(
                leadership.client(),
                context.site,
                &mark.id,
                context.pod.config.instance.as_deref(),
            )
            .await
            .map_err(sql_fault("cannot record the installation"))?;
            volume.replace_install_id(&mark.id)?;
            switch_on(&folder, volume, mark).await?;
            tracing::info!(
                event = "site.copy_accepted",
                install_id = mark.id,
                "this copy is a separate site now: mails and scheduler are on"
            );
        }
        if let Some(mark) = &self.wrong {
            switch_on(&folder, volume, mark).await?;
            tracing::info!(
                event = "site.copy_mark_removed",
                install_id = self.install_id,
                "this site is no copy: only white space around CAULDRON_INSTANCE differed; mails and scheduler are on"
            );
        }
        Ok(())
    }
}

/// Removes the switches that we set, and then the mark.
async fn switch_on(folder: &Path, volume: &Volume, mark: &CopyMark) -> Result<()> {
    site_config::edit(folder, |config| {
        for key in &mark.switched {
            config.remove(key);
        }
    })
    .await?;
    volume.remove_copy_mark()
}

/// Logs that the site is a copy: at every start, until the copy is accepted.
pub fn log(mark: &CopyMark) {
    tracing::warn!(
        event = "site.is_copy",
        of = mark.of,
        why = mark.why,
        "this site is a copy of another installation's site: its mails are muted and its scheduler is paused; \
         to run it as a separate site, set CAULDRON_CLONE={}",
        mark.id
    );
}
