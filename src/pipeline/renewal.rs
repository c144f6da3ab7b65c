//! Mounted secrets that change while a role serves: the bootstrap's rotation is done again with the
//! new ones, beside the serving processes. Costs nothing until a file changes (inotify(7)).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::site::Site;
use crate::config::Config;
use crate::health::account::Board;
use crate::outcome::Stopped;
use crate::supervise::signals::Shutdown;
use crate::sys::folder_watch::FolderWatch;

/// A secret changes by several steps: kubelet swaps a link, people write in place.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);
/// The server may get its new password later than we do.
const AGAIN: Duration = Duration::from_secs(15);

/// Follows changes until it is dropped.
pub async fn follow(site: &Site, shutdown: &Shutdown) {
    let files = site.config.origin.files();
    let Some(watch) = watch(files) else { return std::future::pending().await };
    let mut contents = read(files);
    let mut config = site.config.clone();
    loop {
        if watch.changed().await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(SETTLES_WITHIN).await;
        let now = read(files);
        if now == contents {
            continue;
        }
        contents = now;
        tracing::info!("a mounted secret changed; following it");
        config = renew(site, config, shutdown).await;
    }
}

/// Tries until it is done; what serves goes on meanwhile.
async fn renew(site: &Site, before: Config, shutdown: &Shutdown) -> Config {
    loop {
        match read_and_apply(site, shutdown).await {
            Ok(config) => {
                if config.redis.cache != before.redis.cache || config.redis.queue != before.redis.queue {
                    // Frappe's processes keep their Redis connections: they have to begin anew.
                    let _ = nix::sys::signal::raise(Signal::SIGHUP);
                }
                tracing::info!("the changed secret is followed");
                return config;
            }
            Err(reason) => tracing::warn!(reason, "the changed secret cannot be followed yet"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn read_and_apply(site: &Site, shutdown: &Shutdown) -> Result<Config, String> {
    let config = site
        .config
        .origin
        .read_again()
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    // An account of its own: the role goes on serving, and its probes say so.
    let board = Board::new("renewal", config.site.clone());
    match site.bootstrap_with(&config, &board, shutdown).await {
        Ok(_) => Ok(config),
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
