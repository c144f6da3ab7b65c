//! A small file system that can be filled: a tmpfs in a mount namespace of the test.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::skip::skipped;

/// Runs a test in a thread with its own mount namespace, which ends with the thread and its children.
pub fn in_own_namespace(name: &'static str, case: impl FnOnce() + Send + 'static) {
    let ran = thread::spawn(move || {
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        let allowed = unshare(CloneFlags::CLONE_NEWNS)
            .and_then(|()| mount(None::<&str>, "/", None::<&str>, private, None::<&str>));
        match allowed {
            Ok(()) => case(),
            Err(error) => {
                skipped(name, format!("no mount namespace can be made here ({error}); run it as root"));
            }
        }
    });
    if let Err(panic) = ran.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A small file system mounted on a folder; unmounted when dropped.
pub struct Small {
    folder: PathBuf,
}

impl Small {
    pub fn mount(folder: &Path, size: &str) -> Self {
        Self::set(folder, size, MsFlags::empty());
        Self { folder: folder.to_owned() }
    }

    fn set(folder: &Path, size: &str, flags: MsFlags) {
        let options = format!("size={size},mode=0755");
        mount(Some("tmpfs"), folder, Some("tmpfs"), flags, Some(options.as_str()))
            .expect("a small file system");
    }

    pub fn grow(&self, size: &str) {
        Self::set(&self.folder, size, MsFlags::MS_REMOUNT);
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut ballast = File::create(self.folder.join("ballast")).expect("a file");
        for size in [64 * 1024, 4096, 512, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    pub fn make_room(&self) {
        fs::remove_file(self.folder.join("ballast")).expect("the ballast");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
    }
}
