//! Opening a file below a folder, where the kernel sees to it that no link leads out of it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

/// Whether an open may wait for a disk or a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// EAGAIN where it would: for the event loop.
    Never,
    MayWait,
}

/// Neither a FIFO without a writer nor a terminal holds or takes us.
const FLAGS: OFlag = OFlag::O_CLOEXEC.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

/// Opens `path`, which has no `..`, below `root`. A link may lead to elsewhere below it.
///
/// # Errors
/// EXDEV where a link leads out; EAGAIN where it would have to wait and may not.
pub fn open_beneath(root: impl AsFd, path: &Path, flags: OFlag, patience: Patience) -> nix::Result<OwnedFd> {
    let cached = match patience {
        Patience::Never => ResolveFlag::from_bits_retain(nix::libc::RESOLVE_CACHED),
        Patience::MayWait => ResolveFlag::empty(),
    };
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS | cached;
    match openat2(&root, path, OpenHow::new().flags(FLAGS | flags).resolve(resolve)) {
        // Old kernels, and sandboxes that do not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) if patience == Patience::Never => Err(Errno::EAGAIN),
        Err(Errno::ENOSYS | Errno::EPERM) => walk(root, path, flags),
        opened => opened,
    }
}

/// The same by hand, one name after the other; any link is refused.
fn walk(root: impl AsFd, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let folder = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut here = openat(root, ".", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut names = path.components().peekable();
    while let Some(name) = names.next() {
        let last = names.peek().is_none();
        let flags = if last { FLAGS | OFlag::O_NOFOLLOW | flags } else { folder };
        here = openat(&here, name.as_os_str(), flags, Mode::empty()).map_err(|errno| match errno {
            Errno::ELOOP => Errno::EXDEV,
            // O_DIRECTORY meets a link before O_NOFOLLOW does.
            other => other,
        })?;
    }
    Ok(here)
}

/// A regular file, or ENOENT: folders, devices, FIFOs and sockets are not for download.
pub fn regular(fd: OwnedFd) -> nix::Result<(File, std::fs::Metadata)> {
    let file = File::from(fd);
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok((file, metadata)),
        Ok(_) => Err(Errno::ENOENT),
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root with a file, links within, and links and folders that lead out.
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

    fn open(folder: &Path, path: &str) -> [nix::Result<OwnedFd>; 2] {
        let root = File::open(folder.join("root")).unwrap();
        let path = Path::new(path);
        let by_kernel = open_beneath(&root, path, OFlag::O_RDONLY, Patience::MayWait);
        [by_kernel, walk(&root, path, OFlag::O_RDONLY)]
    }

    #[test]
    fn no_link_leads_out_by_the_kernels_hand_or_ours() {
        let folder = tree();
        for good in ["deep/file", "deep"] {
            assert!(open(folder.path(), good).iter().all(Result::is_ok), "{good}");
        }
        assert!(open(folder.path(), "within")[0].is_ok());
        for bad in ["out", "absolute", "up/secret", "/proc/self/exe", "up/root/deep/file"] {
            let [by_kernel, by_hand] = open(folder.path(), bad);
            assert!(by_kernel.is_err(), "{bad}");
            assert!(by_hand.is_err() || bad.starts_with('/'), "{bad}");
        }
        // Negative control: a plain open goes there.
        assert_eq!(fs::read_to_string(folder.path().join("root/out")).unwrap(), "outside");
    }

    #[test]
    fn only_files_are_files() {
        let folder = tree();
        let fifo = folder.path().join("root/fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRUSR).unwrap();
        for path in ["fifo", "deep"] {
            let opened = open(folder.path(), path).into_iter().map(|fd| regular(fd.unwrap()).map(drop));
            assert_eq!(opened.collect::<Vec<_>>(), [Err(Errno::ENOENT), Err(Errno::ENOENT)], "{path}");
        }
    }
}
