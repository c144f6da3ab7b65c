//! Folders in which files change: inotify(7), which costs nothing until they do.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What it takes to be told of a file that was written, or put in another's place.
const EVENTS: AddWatchFlags =
    AddWatchFlags::IN_CLOSE_WRITE.union(AddWatchFlags::IN_MOVED_TO).union(AddWatchFlags::IN_CREATE);

/// A watch, until it is dropped.
pub struct FolderWatch(AsyncFd<OwnedFd>);

impl FolderWatch {
    /// # Errors
    /// inotify(7)'s: ENOENT, or EMFILE where the user has too many.
    pub fn on<'a>(folders: impl IntoIterator<Item = &'a Path>) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        for folder in folders {
            inotify.add_watch(folder, EVENTS)?;
        }
        let descriptor = inotify.as_fd().try_clone_to_owned()?;
        // SAFETY: the descriptor is owned by what watches it, and closed with it.
        Ok(Self(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?))
    }

    /// Waits until something happened. What it was is not told: the files themselves say more.
    ///
    /// # Errors
    /// read(2)'s.
    pub async fn changed(&self) -> io::Result<()> {
        let mut events = [0; 4096];
        loop {
            let mut ready = self.0.readable().await?;
            if let Ok(read) = ready.try_io(|fd| Ok(nix::unistd::read(fd.get_ref(), &mut events)?)) {
                return read.map(drop);
            }
        }
    }
}
