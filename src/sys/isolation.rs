//! Takes this process out of the network, and makes folders unwritable for it, before it becomes another program:
//! namespaces of its own, as unshare(1) makes them.
//!
//! root with CAP_SYS_ADMIN needs no user namespace. Everyone else needs one, which a container's seccomp profile may
//! forbid.

use std::fs;
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// What was taken away from this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Isolation {
    /// None: there is no network but its own loopback. Some: why the network is still there.
    pub network: Option<String>,
    /// None: the folders cannot be written. Some: why they still can.
    pub files: Option<String>,
}

/// Isolates this process and all its later children. It must have one thread.
///
/// `read_only` are folders that stay readable, `hidden` are folders whose contents disappear.
pub fn enter(read_only: &[&Path], hidden: &[&Path]) -> Isolation {
    let both = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    let entered = unshare(both).map_err(io::Error::from).or_else(|_| enter_user_namespace(both));
    if let Err(error) = entered {
        let reason = Some(format!("this container may not make namespaces: {error}"));
        return Isolation { network: reason.clone(), files: reason };
    }
    let files = protect(read_only, hidden).err().map(|error| format!("cannot remount: {error}"));
    Isolation { network: None, files }
}

/// The same user in a user namespace of its own, which has all rights over the other namespaces that come with it.
fn enter_user_namespace(others: CloneFlags) -> io::Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | others)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

fn protect(read_only: &[&Path], hidden: &[&Path]) -> io::Result<()> {
    let none: Option<&str> = None;
    // Nothing that is mounted here reaches other processes.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    for folder in read_only {
        mount(Some(*folder), *folder, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
        // A user namespace may add flags to a mount, and not take any away.
        let kept = flags_of(folder)?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | kept;
        mount(none, *folder, none, flags, none)?;
    }
    for folder in hidden {
        mount(
            Some("tmpfs"),
            *folder,
            Some("tmpfs"),
            MsFlags::MS_RDONLY | MsFlags::MS_NOSUID,
            Some("size=4k"),
        )?;
    }
    Ok(())
}

fn flags_of(folder: &Path) -> io::Result<MsFlags> {
    use nix::sys::statvfs::FsFlags;
    let present = nix::sys::statvfs::statvfs(folder)?.flags();
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
    ];
    let kept = pairs.into_iter().filter(|(flag, _)| present.contains(*flag)).map(|(_, flag)| flag);
    Ok(kept.fold(MsFlags::empty(), |all, flag| all | flag))
}
