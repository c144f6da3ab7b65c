//! Applies mounted secrets that change while a role serves: runs the bootstrap's rotation again with the new
//! secrets, beside the serving processes, and replaces processes that have the old login of Redis. Costs nothing
//! until a file changes (inotify(7)). Only common_site_config.json on the volume, which another node may write,
//! is also read at intervals, if it is what names Redis.
//!
//! A new password of the database needs only the rotation: Frappe's processes read the site's login again for
//! each request, job and tick.

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
use crate::status::handle::{RoleName, StatusHandle};
use crate::sys::folder_watch::FolderWatch;
use crate::tick::{self, PERIOD};

/// The pause after a change before the files are read. A secret changes in several steps: kubelet swaps a link,
/// people write in place.
const SETTLE_TIME: Duration = Duration::from_millis(500);
/// The interval at which the file on the volume is read.
const VOLUME_POLL_INTERVAL: Duration = PERIOD.saturating_mul(8);
/// The pause after a failed rotation. The server may get its new password later than this pod.
const RETRY_INTERVAL: Duration = Duration::from_secs(15);

/// Applies changes until it is dropped.
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
            () = tick::next(VOLUME_POLL_INTERVAL), if origin.is_from_bench() => {}
        }
        tokio::time::sleep(SETTLE_TIME).await;
        let now = read(&files);
        if now == contents {
            continue;
        }
        contents = now;
        tracing::info!(event = "secret.changed", "a mounted secret changed: applying it");
        let (config, bootstrapped) = renew(site, ready, &read_again).await;
        if config.redis != redis {
            // Frappe's processes keep their Redis connections, so they have to be replaced.
            current.renew(&config.redis, &bootstrapped.overrides);
            redis = config.redis.clone();
        }
        tracing::info!(event = "secret.applied", "the changed secret is applied");
    }
}

/// Tries until the rotation succeeds; the roles serve meanwhile.
async fn renew(
    site: &Site,
    ready: DepsReady,
    read_again: &impl Fn() -> Result<Config, Vec<Problem>>,
) -> (Arc<Config>, Bootstrapped) {
    loop {
        match read_and_apply(site, ready, read_again).await {
            Ok(applied) => return applied,
            Err(reason) => {
                tracing::warn!(
                    event = "secret.apply_failed",
                    reason,
                    "cannot apply the changed secret yet: trying again"
                );
            }
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn read_and_apply(
    site: &Site,
    ready: DepsReady,
    read_again: &impl Fn() -> Result<Config, Vec<Problem>>,
) -> Result<(Arc<Config>, Bootstrapped), String> {
    let config = read_again()
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let status = StatusHandle::new(RoleName::Renewal, config.site.clone());
    let pod = site.pod.with_config(config, status);
    match site.bootstrap_with(&pod, ready).await {
        Ok(bootstrapped) => Ok((pod.config, bootstrapped)),
        Err(Stopped::Fault(fault)) => Err(fault.to_string()),
        Err(Stopped::Signal(_)) => std::future::pending().await,
    }
}

fn read(files: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    files.iter().map(|path| std::fs::read(path).ok()).collect()
}

/// Watches the folders of the files: a mounted secret is a link whose target is swapped. None if there is
/// nothing to watch.
fn watch(files: &[PathBuf]) -> Option<FolderWatch> {
    let folders: BTreeSet<&Path> = files.iter().filter_map(|path| path.parent()).collect();
    if folders.is_empty() {
        return None;
    }
    FolderWatch::on(folders)
        .map_err(|error| {
            tracing::warn!(
                event = "secret.watch_failed",
                %error,
                "cannot watch mounted secrets: a change needs a restart"
            );
        })
        .ok()
}
