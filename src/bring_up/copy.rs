//! A copy of another installation's site: its mails muted and its scheduler paused, before anything
//! of it runs, and let go when the operator names it (CAULDRON_CLONE).
//!
//! Each way can be cut off anywhere: the mark on the volume is written first and removed last.

use serde_json::Value;

use crate::frappe::site_config;
use crate::leader::context::Context;
use crate::leader::lock::Leadership;
use crate::outcome::Result;
use crate::postgres::sql::sql_fault;
use crate::record::identity::{CopyMark, Evidence, Identity, judge};
use crate::record::state::{self, Records};
use crate::record::volume::{Volume, random_id};
use crate::site_state::decide::Action;

/// Frappe's own switches.
const SWITCHES: [&str; 2] = ["mute_emails", "pause_scheduler"];

/// Whose site this is, with what that needs on the volume and in the record.
pub struct Settled {
    /// What the record names as the installation.
    pub install_id: String,
    /// There while the site is a copy.
    pub mark: Option<CopyMark>,
    accepted: Option<CopyMark>,
}

/// Judges, and has the mark of a new copy safe on the volume. A site that is to be created is nobody's.
pub fn settle(context: &Context<'_>, records: &Records, volume: &Volume, action: &Action) -> Result<Settled> {
    if matches!(action, Action::Create | Action::CreateAgain { .. }) {
        return Ok(Settled { install_id: volume.install_id()?, mark: None, accepted: None });
    }
    let (on_volume, mark, restore) = (volume.known_install_id()?, volume.copy_mark()?, volume.restore_mark());
    let identity = judge(&Evidence {
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
            Settled { install_id: mark.id.clone(), mark: Some(mark), accepted: None }
        }
        (Identity::StillCopy, Some(mark)) => {
            Settled { install_id: mark.id.clone(), mark: Some(mark), accepted: None }
        }
        (Identity::Accepted, Some(mark)) => {
            Settled { install_id: mark.id.clone(), mark: None, accepted: Some(mark) }
        }
        (Identity::Own(Some(id)), _) => {
            volume.take_install_id(&id)?;
            Settled { install_id: id, mark: None, accepted: None }
        }
        _ => Settled { install_id: volume.install_id()?, mark: None, accepted: None },
    })
}

fn switches_to_set(context: &Context<'_>) -> Vec<String> {
    let is_on = |key: &str| site_config::is_on(&context.pod.bench.site(context.site), key);
    SWITCHES.into_iter().filter(|key| !is_on(key)).map(str::to_string).collect()
}

impl Settled {
    /// Mutes a copy, or lets an accepted one go. Before any command of Frappe's.
    pub async fn apply(&self, context: &Context<'_>, leadership: &Leadership, volume: &Volume) -> Result<()> {
        let folder = context.pod.bench.site(context.site);
        // Our record is of this database now, and says whose it is.
        volume.remove_restore_mark()?;
        context.pod.status.update(|status| status.copy_of = self.mark.as_ref().map(|mark| mark.of.clone()));
        if let Some(mark) = &self.mark {
            site_config::edit(&folder, |config| {
                for key in &mark.switched {
                    config.insert(key.clone(), Value::from(1));
                }
            })
            .await?;
            tell(mark);
        }
        if let Some(mark) = &self.accepted {
            state::take_over(
                leadership.client(),
                context.site,
                &mark.id,
                context.pod.config.instance.as_deref(),
            )
            .await
            .map_err(sql_fault("cannot record the installation"))?;
            volume.replace_install_id(&mark.id)?;
            site_config::edit(&folder, |config| {
                for key in &mark.switched {
                    config.remove(key);
                }
            })
            .await?;
            volume.remove_copy_mark()?;
            tracing::info!(
                install_id = mark.id,
                "this copy is a site of its own now: mails and scheduler are on"
            );
        }
        Ok(())
    }
}

/// At every start, until it is named.
pub fn tell(mark: &CopyMark) {
    tracing::warn!(
        of = mark.of,
        why = mark.why,
        "this site is a copy of another installation's: its mails are muted, its scheduler is paused; \
         if it is meant to live by itself, set CAULDRON_CLONE={}",
        mark.id
    );
}
