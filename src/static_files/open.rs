//! Finds the folder of a requested file, and opens the file.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::sys::stat::Mode;

use super::open_beneath::{Blocking, Opened, follow, open_beneath};
use super::static_file::is_hashed;
use crate::bench::Bench;
use crate::overlay::published;
use crate::web_files::encoding::{Encoding, is_current, is_worth_compressing};

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

/// A file that was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub original: Opened,
    /// The smallest compressed file beside an asset that the client accepts. A file beside an upload may have other
    /// content: any user can put it there.
    pub compressed: Option<(Encoding, Opened)>,
}

/// The folders that files are served from.
#[derive(Clone, Debug)]
pub struct ServedRoots {
    pub bench: PathBuf,
    /// This pod's own assets (overlay/bench_overlay.rs).
    pub assets: PathBuf,
}

impl ServedRoots {
    /// The folders of code and assets.
    fn of_code(&self) -> [PathBuf; 7] {
        let (sites, bench) = (self.bench.join("sites"), Bench::new(&self.bench));
        [
            self.bench.join("apps"),
            self.assets.clone(),
            sites.join("assets"),
            bench.assets(),
            sites.join(".cauldron/bundles"),
            bench.image_cauldron(),
            sites.join(".cauldron/assets"),
        ]
    }
}

/// Opens a file without blocking the event loop on a disk. None if it does not exist or cannot be served.
pub async fn find(roots: &ServedRoots, file_ref: &FileRef, accepted: &[Encoding]) -> Option<Found> {
    let found = match locate(roots, file_ref, accepted, Blocking::Forbidden) {
        Err(Errno::EAGAIN) => {
            let (roots, file_ref, accepted) = (roots.clone(), file_ref.clone(), accepted.to_vec());
            let waiting = move || locate(&roots, &file_ref, &accepted, Blocking::Allowed);
            tokio::task::spawn_blocking(waiting).await.unwrap_or(Err(Errno::EIO))
        }
        found => found,
    };
    match found {
        Ok(found) => Some(found),
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

fn locate(
    roots: &ServedRoots,
    file_ref: &FileRef,
    accepted: &[Encoding],
    blocking: Blocking,
) -> nix::Result<Found> {
    let sites = roots.bench.join("sites");
    let (root, path) = match file_ref {
        FileRef::Asset(path) => {
            return match with_compressed(path, accepted, |path| asset(roots, path, blocking)) {
                Err(Errno::ENOENT) if is_hashed(path) => of_another_version(roots, path, accepted, blocking),
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
    let original = open_beneath(folder(&root)?, path, blocking)?;
    Ok(Found { original, compressed: None })
}

/// Opens an asset, and the compressed file beside it if the client accepts one that is up to date.
fn with_compressed(
    path: &Path,
    accepted: &[Encoding],
    open: impl Fn(&Path) -> nix::Result<Opened>,
) -> nix::Result<Found> {
    let original = open(path)?;
    let mut compressed = None;
    if is_worth_compressing(path, original.metadata.len()) {
        for encoding in accepted {
            match open(&encoding.beside(path)) {
                Ok(opened) if is_current(&opened.metadata, &original.metadata) => {
                    compressed = Some((*encoding, opened));
                    break;
                }
                Err(Errno::EAGAIN) => return Err(Errno::EAGAIN),
                _ => {}
            }
        }
    }
    Ok(Found { original, compressed })
}

fn folder(path: &Path) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Opens an asset. `assets/APP` is a link to the app's `public` folder, which may contain links (node_modules):
/// these may lead anywhere below the folders of code and assets, but no further.
fn asset(roots: &ServedRoots, path: &Path, blocking: Blocking) -> nix::Result<Opened> {
    let mut components = path.components();
    let first = components.next().ok_or(Errno::ENOENT)?;
    let rest = components.as_path();
    let (base, rest) = if rest.as_os_str().is_empty() {
        (folder(&roots.assets)?, path)
    } else {
        (folder(&roots.assets.join(first))?, rest)
    };
    match open_beneath(&base, rest, blocking) {
        Err(Errno::EXDEV) => {
            // Resolved before it is opened for reading, which can have side effects on a device.
            let (_, real) = follow(&base, rest, blocking)?;
            let allowed = roots.of_code();
            let mut roots = allowed.iter().filter_map(|root| follow(AT_FDCWD, root, blocking).ok());
            let (root, inside) = roots
                .find_map(|(root, path)| Some((root, real.strip_prefix(&path).ok()?.to_path_buf())))
                // Without waiting, a root may have been missed.
                .ok_or(if blocking == Blocking::Forbidden { Errno::EAGAIN } else { Errno::EXDEV })?;
            open_beneath(&root, &inside, blocking)
        }
        opened => opened,
    }
}

/// Opens an asset of another version. The names of the assets are one value in Redis for all pods, so a page may
/// have been made with the names of another version (overlay/published.rs).
fn of_another_version(
    roots: &ServedRoots,
    path: &Path,
    accepted: &[Encoding],
    blocking: Blocking,
) -> nix::Result<Found> {
    if blocking == Blocking::Forbidden {
        return Err(Errno::EAGAIN);
    }
    let in_version = |version: &PathBuf| {
        let version = folder(version).ok()?;
        let open = |path: &Path| open_beneath(&version, path, blocking);
        with_compressed(path, accepted, open).ok()
    };
    published::versions(&roots.bench).iter().find_map(in_version).ok_or(Errno::ENOENT)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, Instant};

    use super::*;

    /// An app whose `dist` leads to its bundle, and a link out of all folders of code.
    fn bench() -> (tempfile::TempDir, ServedRoots) {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["apps/crm/crm/public", "sites/.cauldron/bundles/crm/dist", "sites/assets"] {
            fs::create_dir_all(at(path)).unwrap();
        }
        fs::write(at("sites/.cauldron/bundles/crm/dist/a.js"), "a").unwrap();
        fs::write(at("secret"), "s").unwrap();
        symlink(at("sites/.cauldron/bundles/crm/dist"), at("apps/crm/crm/public/dist")).unwrap();
        symlink(at("secret"), at("apps/crm/crm/public/out.js")).unwrap();
        symlink(at("apps/crm/crm/public"), at("sites/assets/crm")).unwrap();
        let roots = ServedRoots { bench: folder.path().into(), assets: at("sites/assets") };
        (folder, roots)
    }

    #[test]
    fn a_file_of_a_bundle_is_opened_like_every_asset() {
        let (_folder, roots) = bench();
        let open = |path: &str, blocking| {
            asset(&roots, Path::new(path), blocking).map(|opened| opened.metadata.len())
        };
        assert_eq!(open("crm/dist/a.js", Blocking::Allowed), Ok(1));
        assert_eq!(open("crm/out.js", Blocking::Allowed), Err(Errno::EXDEV));
        assert_eq!(open("crm/out.js", Blocking::Forbidden), Err(Errno::EAGAIN));
        // A link whose access time is not later than its change time is only followed by an open that may wait: it
        // writes the time (mount(8), relatime), which has to be a later tick of the kernel's clock.
        let deadline = Instant::now() + Duration::from_secs(30);
        let found = loop {
            match open("crm/dist/a.js", Blocking::Forbidden) {
                Err(Errno::EAGAIN) if Instant::now() < deadline => {
                    assert_eq!(open("crm/dist/a.js", Blocking::Allowed), Ok(1));
                }
                found => break found,
            }
        };
        assert_eq!(found, Ok(1));
    }
}
