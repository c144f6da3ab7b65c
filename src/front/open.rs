//! Which folder a path is below, and the file that it names there.

use std::fs::{File, Metadata};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use super::beneath::{Patience, open_beneath, regular};
use super::static_file::is_hashed;
use crate::bench::Bench;
use crate::overlay::published;

/// A file as asked for.
#[derive(Clone, Debug)]
pub enum FileRef {
    /// Below the pod's own assets; what is linked there is its code's own and is followed.
    Asset(PathBuf),
    /// Below `sites/SITE/public/files`.
    Public { site: String, path: PathBuf },
    /// Below `sites/SITE/private` or `public`, its first part, by Frappe's own word.
    Private { site: String, path: PathBuf },
}

impl FileRef {
    /// What it is called.
    pub fn path(&self) -> &Path {
        match self {
            Self::Asset(path) | Self::Public { path, .. } | Self::Private { path, .. } => path,
        }
    }
}

/// An open file, with what is said of it.
#[derive(Clone, Debug)]
pub struct Opened {
    pub file: Arc<File>,
    pub metadata: Metadata,
}

/// Where files are.
#[derive(Clone, Debug)]
pub struct ServedRoots {
    pub bench: PathBuf,
    /// This pod's own assets (join/view.rs).
    pub assets: PathBuf,
}

/// Opens it, without keeping the event loop waiting for a disk; none where there is no such file.
pub async fn find(places: &ServedRoots, wanted: &FileRef) -> Option<Opened> {
    let opened = match locate(places, wanted, Patience::Never) {
        Err(Errno::EAGAIN) => {
            let (places, wanted) = (places.clone(), wanted.clone());
            let waiting = move || locate(&places, &wanted, Patience::MayWait);
            tokio::task::spawn_blocking(waiting).await.unwrap_or(Err(Errno::EIO))
        }
        opened => opened,
    };
    match opened {
        Ok((file, metadata)) => Some(Opened { file: Arc::new(file), metadata }),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG) => None,
        Err(Errno::EXDEV | Errno::ELOOP) => {
            tracing::warn!(?wanted, "a link leads out of the folder it is in: not served");
            None
        }
        Err(errno) => {
            tracing::warn!(?wanted, %errno, "a file cannot be opened");
            None
        }
    }
}

fn locate(places: &ServedRoots, wanted: &FileRef, patience: Patience) -> nix::Result<(File, Metadata)> {
    let sites = places.bench.join("sites");
    let (root, path) = match wanted {
        FileRef::Asset(path) => {
            return match asset(places, path, patience) {
                Err(Errno::ENOENT) if is_hashed(path) => of_another_version(places, path, patience),
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
    regular(open_beneath(folder(&root)?, path, OFlag::O_RDONLY, patience)?)
}

fn folder(path: &Path) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// `assets/APP` is a link to the app's `public` folder, and that may have links of its own
/// (node_modules): these may lead anywhere below the folders that hold code and assets, and no further.
fn asset(places: &ServedRoots, path: &Path, patience: Patience) -> nix::Result<(File, Metadata)> {
    let mut components = path.components();
    let first = components.next().ok_or(Errno::ENOENT)?;
    let rest = components.as_path();
    let (base, rest) = if rest.as_os_str().is_empty() {
        (folder(&places.assets)?, path)
    } else {
        (folder(&places.assets.join(first))?, rest)
    };
    match open_beneath(&base, rest, OFlag::O_RDONLY, patience) {
        Err(Errno::EXDEV) if patience == Patience::Never => Err(Errno::EAGAIN),
        Err(Errno::EXDEV) => {
            // Looked at before it is opened for reading: a device would notice.
            let found = openat(&base, rest, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
            let real = nix::fcntl::readlink(format!("/proc/self/fd/{}", found.as_raw_fd()).as_str())?;
            let sites = places.bench.join("sites");
            let roots = [
                places.bench.join("apps"),
                places.assets.clone(),
                sites.join("assets"),
                Bench::new(&places.bench).assets(),
                sites.join(".cauldron/bundles"),
                Bench::new(&places.bench).image_cauldron(),
                sites.join(".cauldron/assets"),
            ];
            let root = roots
                .iter()
                .filter_map(|root| root.canonicalize().ok())
                .find(|root| Path::new(&real).starts_with(root))
                .ok_or(Errno::EXDEV)?;
            let inside = Path::new(&real).strip_prefix(&root).map_err(|_| Errno::EXDEV)?;
            regular(open_beneath(folder(&root)?, inside, OFlag::O_RDONLY, patience)?)
        }
        opened => regular(opened?),
    }
}

/// The names of the assets are one value in Redis for all pods: a page may be made with another
/// version's (join/published.rs).
fn of_another_version(
    places: &ServedRoots,
    path: &Path,
    patience: Patience,
) -> nix::Result<(File, Metadata)> {
    if patience == Patience::Never {
        return Err(Errno::EAGAIN);
    }
    published::versions(&places.bench)
        .iter()
        .find_map(|version| open_beneath(folder(version).ok()?, path, OFlag::O_RDONLY, patience).ok())
        .map_or(Err(Errno::ENOENT), regular)
}
