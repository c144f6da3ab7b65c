//! Which folder a path is below, and the file that it names there.

use std::fs::{File, Metadata};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use super::beneath::{Patience, open_beneath, regular};

/// A file as asked for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Below `sites/assets`; what is linked there is the image's own and is followed.
    Asset(PathBuf),
    /// Below `sites/SITE/public/files`.
    Public { site: String, path: PathBuf },
    /// Below `sites/SITE/private` or `public`, its first part, by Frappe's own word.
    Private { site: String, path: PathBuf },
}

impl Wanted {
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

/// Opens it, without keeping the event loop waiting for a disk; none where there is no such file.
pub async fn find(bench: &Path, wanted: &Wanted) -> Option<Opened> {
    let opened = match locate(bench, wanted, Patience::Never) {
        Err(Errno::EAGAIN) => {
            let (bench, wanted) = (bench.to_path_buf(), wanted.clone());
            let waiting = move || locate(&bench, &wanted, Patience::MayWait);
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

fn locate(bench: &Path, wanted: &Wanted, patience: Patience) -> nix::Result<(File, Metadata)> {
    let sites = bench.join("sites");
    let (root, path) = match wanted {
        Wanted::Asset(path) => return asset(bench, &sites, path, patience),
        Wanted::Public { site, path } => (sites.join(site).join("public/files"), path.as_path()),
        Wanted::Private { site, path } => {
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

/// `sites/assets/APP` is a link to the app's `public` folder, and that may have links of its own
/// (node_modules): these may lead anywhere below the folders that hold code and assets, and no further.
fn asset(bench: &Path, sites: &Path, path: &Path, patience: Patience) -> nix::Result<(File, Metadata)> {
    let assets = sites.join("assets");
    let mut components = path.components();
    let first = components.next().ok_or(Errno::ENOENT)?;
    let rest = components.as_path();
    if rest.as_os_str().is_empty() {
        return regular(open_beneath(folder(&assets)?, path, OFlag::O_RDONLY, patience)?);
    }
    let app = folder(&assets.join(first))?;
    match open_beneath(&app, rest, OFlag::O_RDONLY, patience) {
        Err(Errno::EXDEV) if patience == Patience::Never => Err(Errno::EAGAIN),
        Err(Errno::EXDEV) => {
            // Looked at before it is opened for reading: a device would notice.
            let found = openat(&app, rest, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
            let real = nix::fcntl::readlink(format!("/proc/self/fd/{}", found.as_raw_fd()).as_str())?;
            let roots =
                [bench.join("apps"), assets, sites.join(".cauldron/bundles"), sites.join(".cauldron/assets")];
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
