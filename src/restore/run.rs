//! A restore from its first check to its end.

use std::fs;
use std::pin::pin;
use std::sync::Arc;

use super::confirm::{Loss, confirm, was_done_before};
use super::database::{self, Origin};
use super::files::FileSwap;
use super::hold::{Held, lead};
use super::settle::{forget_caches, make_bench, mute, write_keys};
use super::source::{Checked, Source};
use super::space;
use super::undo::{go_back, put_back, with_way_back};
use crate::leader::context::Context;
use crate::outcome::{Fault, Flow, Result, Stopped};
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

/// Restores the site. `safety` takes a backup of a site that is there.
///
/// # Errors
/// 65 for a damaged backup or a foreign database, 75 without the space, if a step failed or sessions stay connected, 77 for missing rights;
/// a requested stop. The same command continues.
pub async fn restore(
    context: &Context<'_>,
    request: &Request,
    safety: impl AsyncFnOnce() -> Flow<()>,
) -> Flow<()> {
    let source = &request.source;
    let site = (!request.rename).then_some(context.site);
    let Checked { extent, versions } =
        context.pod.shutdown.guard(async { Ok(source.check(site).await?) }).await?;
    versions.require(None, context.pod.bench.frappe_major())?;
    let volume = Volume::open(context.pod.bench.cauldron_site(context.site))?;
    let before = volume.restoring()?;
    if !before.as_ref().is_some_and(|before| before.complete) {
        // An interrupted load may be complete: only its own session can tell.
        space::check(context, &extent, request.files, request.database && before.is_none())?;
    }
    let opened = context
        .pod
        .shutdown
        .guard(async { Ok(database::open(context, &volume, source, versions).await?) })
        .await?;
    versions.require(major(opened.0.connection.version()), None)?;
    let mut held = context.pod.shutdown.guard(async { Ok(lead(context, volume, opened).await?) }).await?;
    // Again under the lock: another restore may have begun, ended or been killed while we waited for it.
    if was_done_before(&held.volume, request.confirmed.as_ref())? {
        held.release().await;
        return Ok(());
    }
    let earlier = held.volume.restoring()?;
    if let Some(earlier) = earlier.as_ref().filter(|earlier| earlier.complete) {
        // Killed while it dropped what was set aside.
        held.vacate().await?;
        clean_up(&held).await?;
        if earlier.from == source.describe() {
            return end(held, Ok(()), request).await;
        }
    }
    let earlier = earlier.filter(|earlier| !earlier.complete);
    let continues = match secure(&mut held, request, earlier.as_ref(), safety).await {
        Ok(continues) => continues,
        Err(stopped) => {
            held.release().await;
            return Err(stopped);
        }
    };
    let done = tokio::select! {
        biased;
        done = carry_out(&held, request, continues) => done,
        fault = held.leadership.lost() => Err(fault.into()),
    };
    end(held, done, request).await
}

/// Refuses a restore that would lose a site while the site is in service; else shuts the site and takes a backup of it.
/// True if the restore continues one that was interrupted.
async fn secure(
    held: &mut Held<'_>,
    request: &Request,
    earlier: Option<&Restoring>,
    safety: impl AsyncFnOnce() -> Flow<()>,
) -> Flow<bool> {
    let continues = earlier.is_some_and(|earlier| earlier.continues_with(&mark(request, false)));
    if let Some(earlier) = earlier.filter(|_| !continues) {
        // It has set aside what this one has to keep.
        held.vacate().await?;
        go_back(held, earlier).await?;
    }
    if confirm(held, request, continues).await? == Loss::UnlessBackedUp {
        held.vacate().await?;
        safety().await?;
    }
    held.shut()?;
    Ok(continues)
}

/// Unpacks the files, writes the mark, and replaces everything.
async fn carry_out(held: &Held<'_>, request: &Request, continues: bool) -> Flow<()> {
    let swap = FileSwap::of(&held.context.pod.bench, held.context.site);
    let unpacked = unpack_while_roles_stop(held, request, &swap).await;
    if unpacked.is_err() && !continues {
        // If this fails, too, the next leader does it.
        let _ = swap.discard().await;
    }
    unpacked?;
    held.volume.write_restoring(&mark(request, false))?;
    replace(held, request).await
}

/// Waits until nobody uses the site. The files are unpacked beside those of the site meanwhile: the site is shut no longer
/// than it has to be, and damaged ones are found before anything is replaced.
async fn unpack_while_roles_stop(held: &Held<'_>, request: &Request, swap: &FileSwap) -> Flow<()> {
    let unpacked = unpack(held, request, swap);
    let gone = held.context.pod.shutdown.guard(async { Ok(held.backups_gone().await?) });
    let (mut unpacked, mut gone) = (pin!(unpacked), pin!(gone));
    tokio::select! {
        unpacked = &mut unpacked => {
            unpacked?;
            gone.await
        }
        gone = &mut gone => {
            // Also if the wait failed: what unpacks an archive is a thread, which nothing stops.
            unpacked.await?;
            gone
        }
    }
}

async fn unpack(held: &Held<'_>, request: &Request, swap: &FileSwap) -> Flow<()> {
    if request.files
        && let Some(stage) = swap.stage().await?
    {
        request.source.unpack(held.context.pod, &stage).await?;
    }
    Ok(())
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
    if request.files {
        FileSwap::of(&context.pod.bench, site).put_in_place().await?;
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
        Err(Stopped::Fault(fault)) => {
            put_back(&held, &fault).await.and(Err(with_way_back(&held, fault).into()))
        }
        Err(Stopped::Signal(signal)) => Err(Stopped::Signal(signal)),
    };
    held.release().await;
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
