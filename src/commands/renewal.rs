//! Mounted secrets that change while a role serves: the bootstrap's rotation is done again with the
//! new ones, beside the serving processes, and who knows the old login of Redis is replaced. Costs nothing
//! until a file changes (inotify(7)); only the volume's own common_site_config.json, which another node may
//! write, is looked at from time to time where it is what names Redis.
//!
//! A password of the database needs no more than the rotation: Frappe's processes read the site's login anew
//! for each request, job and tick.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::site::Site;
use crate::bring_up::Bootstrapped;
use crate::config::Config;
use crate::config::bench_files::COMMON;
use crate::config::source::Problem;
use crate::deps::DepsReady;
use crate::outcome::Stopped;
use crate::roles::current::Current;
use crate::status::handle::StatusHandle;
use crate::sys::folder_watch::FolderWatch;
use crate::tick::{self, PERIOD};

/// A secret changes by several steps: kubelet swaps a link, people write in place.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);
const LOOK_AT_VOLUME: Duration = PERIOD.saturating_mul(8);
/// The server may get its new password later than we do.
const AGAIN: Duration = Duration::from_secs(15);

/// Follows changes.
pub async fn follow(
    site: &Site,
    current: &Current,
    ready: DepsReady,
    read_again: impl Fn() -> Result<Config, Vec<Problem>>,
) -> Infallible {
    let origin = &site.pod.config.origin;
    let mut files = origin.files().to_vec();
    if origin.is_from_bench() {
        files.push(site.pod.bench.sites().join(COMMON));
    }
    let Some(watch) = watch(&files) else { return std::future::pending().await };
    let mut contents = read(&files);
    let mut redis = site.pod.config.redis.clone();
    loop {
        tokio::select! {
            watched = watch.changed() => if watched.is_err() {
                return std::future::pending().await;
            },
            () = tick::next(LOOK_AT_VOLUME), if origin.is_from_bench() => {}
        }
        tokio::time::sleep(SETTLES_WITHIN).await;
        let now = read(&files);
        if now == contents {
            continue;
        }
        contents = now;
        tracing::info!("a mounted secret changed; following it");
        let (config, bootstrapped) = renew(site, ready, &read_again).await;
        if config.redis != redis {
            // Frappe's processes keep their Redis connections: they have to begin anew.
            current.renew(&config.redis, &bootstrapped.overrides);
            redis = config.redis.clone();
        }
        tracing::info!("the changed secret is followed");
    }
}

/// Tries until it is done; what serves goes on meanwhile.
async fn renew(
    site: &Site,
    ready: DepsReady,
    read_again: &impl Fn() -> Result<Config, Vec<Problem>>,
) -> (Arc<Config>, Bootstrapped) {
    loop {
        match read_and_apply(site, ready, read_again).await {
            Ok(applied) => return applied,
            Err(reason) => tracing::warn!(reason, "the changed secret cannot be followed yet"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn read_and_apply(
    site: &Site,
    ready: DepsReady,
    read_again: &impl Fn() -> Result<Config, Vec<Problem>>,
) -> Result<(Arc<Config>, Bootstrapped), String> {
    let config = read_again()
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let status = StatusHandle::new("renewal", config.site.clone());
    let pod = site.pod.renewed(config, status);
    match site.bootstrap_with(&pod, ready).await {
        Ok(bootstrapped) => Ok((pod.config, bootstrapped)),
        Err(Stopped::Fault(fault)) => Err(fault.to_string()),
        Err(Stopped::Signal(_)) => std::future::pending().await,
    }
}

fn read(files: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    files.iter().map(|path| std::fs::read(path).ok()).collect()
}

/// The folders: a mounted secret is a link whose end is swapped. None where there is nothing to watch.
fn watch(files: &[PathBuf]) -> Option<FolderWatch> {
    let folders: BTreeSet<&Path> = files.iter().filter_map(|path| path.parent()).collect();
    if folders.is_empty() {
        return None;
    }
    FolderWatch::on(folders)
        .map_err(|error| tracing::warn!(%error, "mounted secrets are not watched: a change needs a restart"))
        .ok()
}
