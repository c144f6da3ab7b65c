//! The way back: what a restore has replaced is put in its place again.

use super::database;
use super::files::FileSwap;
use super::hold::{Held, lead};
use super::settle::forget_caches;
use super::source::{Archives, Source};
use super::versions::Versions;
use crate::leader::context::Context;
use crate::outcome::{Fault, Flow, Result, TRY_AGAIN};
use crate::record::restoring::Restoring;
use crate::record::volume::Volume;

/// Goes back to the state before a restore that was interrupted.
///
/// # Errors
/// 65 if no restore is on its way, 75 if a step failed; the same command continues.
pub async fn undo(context: &Context<'_>) -> Flow<()> {
    let volume = Volume::open(context.pod.bench.cauldron_site(context.site))?;
    undoable(&volume)?;
    let none = Source::Archives(Archives::default());
    let opened = context
        .pod
        .shutdown
        .guard(async { Ok(database::open(context, &volume, &none, Versions::default()).await?) })
        .await?;
    let mut held = context.pod.shutdown.guard(async { Ok(lead(context, volume, opened).await?) }).await?;
    // Again under the lock: the restore may have ended while we waited for it.
    let restoring = undoable(&held.volume)?;
    held.vacate().await?;
    go_back(&held, &restoring).await?;
    held.release().await;
    Ok(())
}

/// The restore that is on its way.
///
/// # Errors
/// 65 if there is none, or if what it has set aside is partly dropped.
fn undoable(volume: &Volume) -> Result<Restoring> {
    let Some(restoring) = volume.restoring()? else {
        let cause = "no restore of this site is on its way";
        return Err(Fault::foreign_data(cause, "nothing has to be undone"));
    };
    if restoring.complete {
        let cause = format!(
            "the restore from {} is complete, and what was set aside is partly dropped",
            restoring.from
        );
        let hint =
            format!("run `cauldron-frappe restore {}` again, which drops the rest", restoring.arguments);
        return Err(Fault::foreign_data(cause, hint));
    }
    Ok(restoring)
}

/// Puts everything back that an interrupted restore has replaced. The site is shut.
///
/// # Errors
/// As [`undo`].
pub async fn go_back(held: &Held<'_>, restoring: &Restoring) -> Flow<()> {
    undo_all(held).await?;
    forget_caches(held.context, &held.own.database).await;
    tracing::info!(
        event = "restore.undone",
        from = restoring.from,
        "the site is as it was before the restore"
    );
    Ok(())
}

async fn undo_all(held: &Held<'_>) -> Flow<()> {
    let Held { context, leadership, .. } = held;
    database::guarded(held, database::undo(leadership.client())).await?;
    FileSwap::of(&context.pod.bench, context.site).put_back().await?;
    Ok(held.volume.remove_restoring()?)
}

/// Adds the way back to the fault of a restore that stays interrupted.
pub fn with_way_back(held: &Held<'_>, fault: Fault) -> Fault {
    let is_interrupted = held.volume.restoring().is_ok_and(|mark| mark.is_some_and(|mark| !mark.complete));
    if !is_interrupted {
        return fault;
    }
    let hint = format!(
        "{}; until then no role serves the site, whose previous contents are kept: `cauldron-frappe restore --undo` goes \
         back to them",
        fault.hint
    );
    Fault { hint, ..fault }
}

/// Goes back after a fault that another try would meet again, such as a damaged backup, or if nothing was changed yet.
pub async fn put_back(held: &Held<'_>, fault: &Fault) -> Flow<()> {
    let client = held.leadership.client();
    let is_complete = held.volume.restoring()?.is_some_and(|restoring| restoring.complete);
    if is_complete || (fault.code == TRY_AGAIN && database::has_aside(client).await.unwrap_or(true)) {
        return Ok(());
    }
    undo_all(held).await
}
