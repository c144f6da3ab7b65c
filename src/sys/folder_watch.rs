//! Watches folders for changed files with inotify(7), which costs nothing until a change.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The events of a file that was written, or renamed into the folder.
const EVENTS: AddWatchFlags =
    AddWatchFlags::IN_CLOSE_WRITE.union(AddWatchFlags::IN_MOVED_TO).union(AddWatchFlags::IN_CREATE);

/// A watch that ends when it is dropped.
pub struct FolderWatch(AsyncFd<OwnedFd>);

impl FolderWatch {
    /// Watches these folders.
    ///
    /// # Errors
    /// Those of inotify(7), such as ENOENT, or EMFILE if the user has too many watches.
    pub fn on<'a>(folders: impl IntoIterator<Item = &'a Path>) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        for folder in folders {
            inotify.add_watch(folder, EVENTS)?;
        }
        let descriptor = inotify.as_fd().try_clone_to_owned()?;
        // SAFETY: `AsyncFd` owns the descriptor and closes it.
        Ok(Self(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?))
    }

    /// Waits for an event. It is not returned: the caller reads the files themselves.
    ///
    /// # Errors
    /// Those of read(2).
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
