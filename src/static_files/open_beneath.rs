//! Opens files below a folder; the kernel guarantees that no link leads out of it.

use std::fs::{File, Metadata};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, readlink};
use nix::sys::stat::Mode;

/// An open file with its metadata.
#[derive(Clone, Debug)]
pub struct Opened {
    pub file: Arc<File>,
    pub metadata: Metadata,
}

/// Controls whether an open may wait for a disk or a file server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// Fails with EAGAIN instead of waiting; used on the event loop.
    Forbidden,
    Allowed,
}

/// A FIFO without a writer must not block the open, and a terminal must not become our controlling terminal.
const FLAGS: OFlag = OFlag::O_RDONLY.union(OFlag::O_CLOEXEC).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

/// How often an open that may wait is tried. The kernel answers EAGAIN (openat2(2)) if anything at all was renamed or
/// mounted while it resolved the `..` of a link.
const TRIES: u32 = 1_000;

/// Opens a regular file: `path`, which contains no `..`, below `root`. A link may lead to another place below `root`.
///
/// # Errors
/// EXDEV if a link leads out; EAGAIN if the open would have to wait and must not; ENOENT for folders, devices, FIFOs and
/// sockets.
pub fn open_beneath(root: impl AsFd, path: &Path, blocking: Blocking) -> nix::Result<Opened> {
    let cached = match blocking {
        Blocking::Forbidden => ResolveFlag::from_bits_retain(nix::libc::RESOLVE_CACHED),
        Blocking::Allowed => ResolveFlag::empty(),
    };
    let how = OpenHow::new()
        .flags(FLAGS)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS | cached);
    let mut tries = if blocking == Blocking::Allowed { TRIES } else { 1 };
    regular(loop {
        tries -= 1;
        match openat2(&root, path, how) {
            Err(Errno::EAGAIN) if tries > 0 => {}
            // Old kernels and some sandboxes do not support the call.
            Err(Errno::ENOSYS | Errno::EPERM) if blocking == Blocking::Forbidden => {
                return Err(Errno::EAGAIN);
            }
            Err(Errno::ENOSYS | Errno::EPERM) => break walk(root, path)?,
            opened => break opened?,
        }
    })
}

/// Resolves `path` below `root` wherever its links lead, without opening what it finds. The caller decides by its path.
///
/// # Errors
/// EAGAIN if this would have to wait and must not.
pub fn follow(root: impl AsFd, path: &Path, blocking: Blocking) -> nix::Result<(OwnedFd, PathBuf)> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let found = match blocking {
        Blocking::Allowed => openat(root, path, flags, Mode::empty())?,
        Blocking::Forbidden => {
            let cached = ResolveFlag::from_bits_retain(nix::libc::RESOLVE_CACHED);
            match openat2(root, path, OpenHow::new().flags(flags).resolve(cached)) {
                Err(Errno::ENOSYS | Errno::EPERM) => return Err(Errno::EAGAIN),
                found => found?,
            }
        }
    };
    let real = readlink(format!("/proc/self/fd/{}", found.as_raw_fd()).as_str())?;
    Ok((found, real.into()))
}

/// The fallback without openat2: opens one component after the other, and refuses every link.
fn walk(root: impl AsFd, path: &Path) -> nix::Result<OwnedFd> {
    let folder = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut here = openat(root, ".", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut names = path.components().peekable();
    while let Some(name) = names.next() {
        let last = names.peek().is_none();
        let flags = if last { FLAGS | OFlag::O_NOFOLLOW } else { folder };
        here = openat(&here, name.as_os_str(), flags, Mode::empty()).map_err(|errno| match errno {
            Errno::ELOOP => Errno::EXDEV,
            // A link in place of a folder fails with ENOTDIR: O_DIRECTORY is checked before O_NOFOLLOW.
            other => other,
        })?;
    }
    Ok(here)
}

/// Returns the file with its metadata, or ENOENT if it is not a regular one.
fn regular(fd: OwnedFd) -> nix::Result<Opened> {
    let file = File::from(fd);
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(Opened { file: Arc::new(file), metadata }),
        Ok(_) => Err(Errno::ENOENT),
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    /// Creates a root with a file, a link that stays inside, and links that lead out.
    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("root/deep")).unwrap();
        fs::write(at("root/deep/file"), "inside").unwrap();
        fs::write(at("secret"), "outside").unwrap();
        symlink("deep/file", at("root/within")).unwrap();
        symlink("../secret", at("root/out")).unwrap();
        symlink(at("secret"), at("root/absolute")).unwrap();
        symlink("..", at("root/up")).unwrap();
        folder
    }

    fn open(folder: &Path, path: &str) -> [nix::Result<Opened>; 2] {
        let root = File::open(folder.join("root")).unwrap();
        let path = Path::new(path);
        [open_beneath(&root, path, Blocking::Allowed), walk(&root, path).and_then(regular)]
    }

    #[test]
    fn no_link_leads_out_with_openat2_or_the_fallback() {
        let folder = tree();
        assert!(open(folder.path(), "deep/file").iter().all(Result::is_ok));
        assert!(open(folder.path(), "within")[0].is_ok());
        for bad in ["out", "absolute", "up/secret", "/proc/self/exe", "up/root/deep/file"] {
            let [with_openat2, with_fallback] = open(folder.path(), bad);
            assert!(with_openat2.is_err(), "{bad}");
            assert!(with_fallback.is_err() || bad.starts_with('/'), "{bad}");
        }
        // Negative control: a plain open follows the link out of the root.
        assert_eq!(fs::read_to_string(folder.path().join("root/out")).unwrap(), "outside");
    }

    #[test]
    fn a_link_with_dots_is_followed_while_others_rename() {
        let folder = tree();
        let at = |path: &str| folder.path().join(path);
        symlink("../deep/file", at("root/deep/beside")).unwrap();
        let root = File::open(at("root")).unwrap();
        let stop = AtomicBool::new(false);
        let (mut failed, mut raced) = (0, 0);
        let deadline = Instant::now() + Duration::from_secs(30);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                fs::create_dir(at("a")).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    fs::rename(at("a"), at("b")).unwrap();
                    fs::rename(at("b"), at("a")).unwrap();
                }
            });
            let how = OpenHow::new().flags(FLAGS).resolve(ResolveFlag::RESOLVE_BENEATH);
            while raced < 100 && Instant::now() < deadline {
                let one_try = openat2(&root, "deep/beside", how);
                raced += u32::from(one_try.is_err_and(|errno| errno == Errno::EAGAIN));
                failed +=
                    u32::from(open_beneath(&root, Path::new("deep/beside"), Blocking::Allowed).is_err());
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(raced > 0, "no single try met a rename");
        assert_eq!(failed, 0);
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tree();
        let fifo = folder.path().join("root/fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRUSR).unwrap();
        for path in ["fifo", "deep"] {
            assert_eq!(
                open(folder.path(), path).map(|opened| opened.err()),
                [Some(Errno::ENOENT); 2],
                "{path}"
            );
        }
    }
}
