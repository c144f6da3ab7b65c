//! Finds the folder of a requested file, and opens the file.

use std::fs::{File, Metadata};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use super::open_beneath::{Blocking, open_beneath, regular};
use super::static_file::is_hashed;
use crate::bench::Bench;
use crate::overlay::published;

/// A requested file.
#[derive(Clone, Debug)]
pub enum FileRef {
    /// Relative to the pod's own assets. Links there belong to its code and are followed.
    Asset(PathBuf),
    /// Relative to `sites/SITE/public/files`.
    Public { site: String, path: PathBuf },
    /// Relative to `sites/SITE`, beginning with `private` or `public`; named by Frappe.
    Private { site: String, path: PathBuf },
}

impl FileRef {
    /// The relative path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Asset(path) | Self::Public { path, .. } | Self::Private { path, .. } => path,
        }
    }
}

/// An open file with its metadata.
#[derive(Clone, Debug)]
pub struct Opened {
    pub file: Arc<File>,
    pub metadata: Metadata,
}

/// The folders that files are served from.
#[derive(Clone, Debug)]
pub struct ServedRoots {
    pub bench: PathBuf,
    /// This pod's own assets (overlay/bench_overlay.rs).
    pub assets: PathBuf,
}

/// Opens a file without blocking the event loop on a disk. None if it does not exist or cannot be served.
pub async fn find(roots: &ServedRoots, file_ref: &FileRef) -> Option<Opened> {
    let opened = match locate(roots, file_ref, Blocking::Forbidden) {
        Err(Errno::EAGAIN) => {
            let (roots, file_ref) = (roots.clone(), file_ref.clone());
            let waiting = move || locate(&roots, &file_ref, Blocking::Allowed);
            tokio::task::spawn_blocking(waiting).await.unwrap_or(Err(Errno::EIO))
        }
        opened => opened,
    };
    match opened {
        Ok((file, metadata)) => Some(Opened { file: Arc::new(file), metadata }),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG) => None,
        Err(Errno::EXDEV | Errno::ELOOP) => {
            tracing::warn!(
                event = "request.link_refused",
                file = ?file_ref,
                "file not served: a link leads out of its folder"
            );
            None
        }
        Err(errno) => {
            tracing::warn!(event = "request.file_unreadable", file = ?file_ref, %errno, "file cannot be opened");
            None
        }
    }
}

fn locate(roots: &ServedRoots, file_ref: &FileRef, blocking: Blocking) -> nix::Result<(File, Metadata)> {
    let sites = roots.bench.join("sites");
    let (root, path) = match file_ref {
        FileRef::Asset(path) => {
            return match asset(roots, path, blocking) {
                Err(Errno::ENOENT) if is_hashed(path) => of_another_version(roots, path, blocking),
                found => found,
            };
        }
        FileRef::Public { site, path } => (sites.join(site).join("public/files"), path.as_path()),
        FileRef::Private { site, path } => {
            let mut components = path.components();
            let first = components.next().ok_or(Errno::ENOENT)?;
            (sites.join(site).join(first), components.as_path())
        }
    };
    regular(open_beneath(folder(&root)?, path, OFlag::O_RDONLY, blocking)?)
}

fn folder(path: &Path) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Opens an asset. `assets/APP` is a link to the app's `public` folder, which may contain links (node_modules):
/// these may lead anywhere below the folders of code and assets, but no further.
fn asset(roots: &ServedRoots, path: &Path, blocking: Blocking) -> nix::Result<(File, Metadata)> {
    let mut components = path.components();
    let first = components.next().ok_or(Errno::ENOENT)?;
    let rest = components.as_path();
    let (base, rest) = if rest.as_os_str().is_empty() {
        (folder(&roots.assets)?, path)
    } else {
        (folder(&roots.assets.join(first))?, rest)
    };
    match open_beneath(&base, rest, OFlag::O_RDONLY, blocking) {
        Err(Errno::EXDEV) if blocking == Blocking::Forbidden => Err(Errno::EAGAIN),
        Err(Errno::EXDEV) => {
            // Resolved by O_PATH before it is opened for reading, which can have side effects on a device.
            let found = openat(&base, rest, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
            let real = nix::fcntl::readlink(format!("/proc/self/fd/{}", found.as_raw_fd()).as_str())?;
            let sites = roots.bench.join("sites");
            let allowed = [
                roots.bench.join("apps"),
                roots.assets.clone(),
                sites.join("assets"),
                Bench::new(&roots.bench).assets(),
                sites.join(".cauldron/bundles"),
                Bench::new(&roots.bench).image_cauldron(),
                sites.join(".cauldron/assets"),
            ];
            let root = allowed
                .iter()
                .filter_map(|root| root.canonicalize().ok())
                .find(|root| Path::new(&real).starts_with(root))
                .ok_or(Errno::EXDEV)?;
            let inside = Path::new(&real).strip_prefix(&root).map_err(|_| Errno::EXDEV)?;
            regular(open_beneath(folder(&root)?, inside, OFlag::O_RDONLY, blocking)?)
        }
        opened => regular(opened?),
    }
}

/// Opens an asset of another version. The names of the assets are one value in Redis for all pods, so a page may
/// have been made with the names of another version (overlay/published.rs).
fn of_another_version(roots: &ServedRoots, path: &Path, blocking: Blocking) -> nix::Result<(File, Metadata)> {
    if blocking == Blocking::Forbidden {
        return Err(Errno::EAGAIN);
    }
    published::versions(&roots.bench)
        .iter()
        .find_map(|version| open_beneath(folder(version).ok()?, path, OFlag::O_RDONLY, blocking).ok())
        .map_or(Err(Errno::ENOENT), regular)
}
