//! A restore from its first check to its end, and its undoing.

use std::fs;
use std::sync::Arc;

use super::confirm::confirm;
use super::database::{self, Origin};
use super::files::FileSwap;
use super::hold::{Held, take};
use super::settle::{forget_caches, make_bench, mute, write_keys};
use super::source::{Checked, Source};
use super::space;
use super::versions::Versions;
use crate::leader::context::Context;
use crate::outcome::{Fault, Flow, Result, Stopped, TRY_AGAIN};
use crate::postgres::version::major;
use crate::record::restored::Restored;
use crate::record::restoring::Restoring;
use crate::record::volume::Volume;

/// The folders of a site, as in `frappe.installer.make_site_dirs`.
const FOLDERS: [&str; 5] = ["private/backups", "private/files", "public/files", "locks", "logs"];

/// Called with the number of bytes of the dump that were loaded.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// What an operator asked for.
pub struct Request {
    pub source: Source,
    pub database: bool,
    pub files: bool,
    /// `--rename`: it may be of another site.
    pub rename: bool,
    /// The arguments of `restore`, to continue after a kill.
    pub arguments: String,
    /// The restored site is the one that people use from now on: it is not muted.
    pub take_over: bool,
    /// `--no-safety-backup`: the id of the site that may be replaced without a backup.
    pub waived: Option<String>,
    /// `--confirm`: what was requested, and the id of the site that may be replaced.
    pub confirmed: Option<Restored>,
}

/// Restores the site. `safety` takes a backup of a site that is there; it gets the id of the site.
///
/// # Errors
/// 65 for a damaged backup or a foreign database, 75 without the space, if a step failed or sessions stay connected, 77 for missing rights;
/// a requested stop. The same command continues.
pub async fn restore(
    context: &Context<'_>,
    request: &Request,
    safety: impl AsyncFnOnce(&str) -> Flow<()>,
) -> Flow<()> {
    let source = &request.source;
    let site = (!request.rename).then_some(context.site);
    let Checked { extent, versions } =
        context.pod.shutdown.guard(async { Ok(source.check(site).await?) }).await?;
    versions.require(None, context.pod.bench.frappe_major())?;
    let volume = Volume::open(context.pod.bench.cauldron_site(context.site))?;
    let earlier = volume.restoring()?;
    if !earlier.as_ref().is_some_and(|earlier| earlier.complete) {
        // An interrupted load may be complete: only its own session can tell.
        space::check(context, &extent, request.files, request.database && earlier.is_none())?;
    }
    let opened = context
        .pod
        .shutdown
        .guard(async { Ok(database::open(context, &volume, source, versions).await?) })
        .await?;
    versions.require(major(opened.0.connection.version()), None)?;
    let held = context.pod.shutdown.guard(async { Ok(take(context, volume, opened).await?) }).await?;
    if let Some(earlier) = earlier.as_ref().filter(|earlier| earlier.complete) {
        // Killed while it dropped what was set aside.
        clean_up(&held).await?;
        if earlier.from == source.describe() {
            return end(held, Ok(()), request).await;
        }
    }
    let continues = earlier.is_some_and(|earlier| !earlier.complete);
    if let Err(stopped) = confirm(&held, request, continues, safety).await {
        held.leadership.release().await;
        return Err(stopped);
    }
    held.volume.write_restoring(&mark(request, false))?;
    let done = tokio::select! {
        biased;
        done = replace(&held, request) => done,
        fault = held.leadership.lost() => Err(fault.into()),
    };
    end(held, done, request).await
}

/// Replaces everything, in an order that a killed restore continues.
async fn replace(held: &Held<'_>, request: &Request) -> Flow<()> {
    let Held { context, volume, install_id, .. } = held;
    let (source, site) = (&request.source, context.site);
    let folder = context.pod.bench.site(site);
    let status = context.pod.status.clone();
    let progress: Progress = Arc::new(move |_| status.progress());
    let mut origin = Origin::default();
    make_bench(context, !request.database).await?;
    if request.database {
        origin = database::replace(held, source, &progress).await?;
    }
    let swap = FileSwap::of(&context.pod.bench, site);
    if request.files {
        if let Some(stage) = swap.stage().await? {
            source.unpack(context.pod, &stage).await?;
        }
        swap.put_in_place().await?;
        tracing::info!(event = "restore.files_in_place", "the files are in their place");
    }
    for name in FOLDERS {
        let path = folder.join(name);
        fs::create_dir_all(&path)
            .map_err(|error| Fault::file(format!("cannot create {}", path.display()), &error))?;
    }
    write_keys(held, request, &folder).await?;
    let of = source.installation().or(origin.installation);
    if let Some(of) = of.filter(|of| of != install_id && !request.take_over && request.database) {
        mute(volume, of)?;
    }
    volume.write_restoring(&mark(request, true))?;
    clean_up(held).await?;
    Ok(())
}

fn mark(request: &Request, complete: bool) -> Restoring {
    Restoring {
        from: request.source.describe(),
        arguments: request.arguments.clone(),
        database: request.database,
        files: request.files,
        complete,
    }
}

/// Drops what was set aside, once everything is restored.
async fn clean_up(held: &Held<'_>) -> Flow<()> {
    database::guarded(held, database::discard(held.leadership.client())).await?;
    FileSwap::of(&held.context.pod.bench, held.context.site).discard().await?;
    forget_caches(held.context, &held.own.database).await;
    Ok(held.volume.remove_restoring()?)
}

async fn end(held: Held<'_>, done: Flow<()>, request: &Request) -> Flow<()> {
    let ended = match done {
        Ok(()) => finish(&held, request).map_err(Stopped::Fault),
        Err(Stopped::Fault(fault)) => put_back(&held, &fault).await.and(Err(told(&held, fault).into())),
        Err(Stopped::Signal(signal)) => Err(Stopped::Signal(signal)),
    };
    held.leadership.release().await;
    ended
}

fn finish(held: &Held<'_>, request: &Request) -> Result<()> {
    if let Some(confirmed) = &request.confirmed {
        // Before the mark is removed: a killed restore comes here again.
        held.volume.write_restored(confirmed)?;
    }
    held.volume.remove_restoring()?;
    let from = request.source.describe();
    tracing::info!(event = "restore.finished", from, "the site is restored");
    Ok(())
}

/// Says what a restore that stays interrupted means for the site.
fn told(held: &Held<'_>, fault: Fault) -> Fault {
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
async fn put_back(held: &Held<'_>, fault: &Fault) -> Flow<()> {
    let client = held.leadership.client();
    let is_complete = held.volume.restoring()?.is_some_and(|restoring| restoring.complete);
    if is_complete || (fault.code == TRY_AGAIN && database::has_aside(client).await.unwrap_or(true)) {
        return Ok(());
    }
    database::guarded(held, database::undo(client)).await?;
    FileSwap::of(&held.context.pod.bench, held.context.site).put_back().await?;
    Ok(held.volume.remove_restoring()?)
}

/// Goes back to the state before a restore that was interrupted.
///
/// # Errors
/// 65 if no restore is on its way, 75 if a step failed; the same command continues.
pub async fn undo(context: &Context<'_>) -> Flow<()> {
    let volume = Volume::open(context.pod.bench.cauldron_site(context.site))?;
    let Some(restoring) = volume.restoring()? else {
        let cause = "no restore of this site is on its way";
        return Err(Fault::foreign_data(cause, "nothing has to be undone").into());
    };
    if restoring.complete {
        let cause = format!(
            "the restore from {} is complete, and what was set aside is partly dropped",
            restoring.from
        );
        let hint =
            format!("run `cauldron-frappe restore {}` again, which drops the rest", restoring.arguments);
        return Err(Fault::foreign_data(cause, hint).into());
    }
    let none = Source::Archives(super::Archives::default());
    let opened = context
        .pod
        .shutdown
        .guard(async { Ok(database::open(context, &volume, &none, Versions::default()).await?) })
        .await?;
    let held = context.pod.shutdown.guard(async { Ok(take(context, volume, opened).await?) }).await?;
    database::guarded(&held, database::undo(held.leadership.client())).await?;
    FileSwap::of(&context.pod.bench, context.site).put_back().await?;
    forget_caches(context, &held.own.database).await;
    held.volume.remove_restoring()?;
    tracing::info!(
        event = "restore.undone",
        from = restoring.from,
        "the site is as it was before the restore"
    );
    held.leadership.release().await;
    Ok(())
}
