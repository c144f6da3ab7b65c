//! fork and exec by hand: what happens between the two is ours to order, and to report by step.
//!
//! All signals are blocked from before the fork until the child has its default dispositions, so a
//! TERM for the young child is neither lost in our handlers nor run by them (HAZARDS 1, 10).

use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use super::wait;

/// A program as the kernel wants it: every byte is there before the fork, since nothing may be
/// allocated after it.
pub struct Image<'a> {
    /// Tried in this order (PATH is searched before the fork).
    pub candidates: Vec<CString>,
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    pub folder: Option<CString>,
    /// stdin, stdout, stderr; None is inherited.
    pub streams: [Option<BorrowedFd<'a>>; 3],
    pub identity: Option<Identity>,
    /// Make the child's group the terminal's foreground group (HAZARDS 14).
    pub foreground: bool,
}

/// Whom a child runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// Where a start failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Fork,
    Streams,
    Folder,
    Identity,
    Exec,
}

impl Step {
    const IN_CHILD: [Self; 4] = [Self::Streams, Self::Folder, Self::Identity, Self::Exec];
}

/// Starts a child in a process group of its own and returns its pid once exec has succeeded.
///
/// The caller holds the lock under which children are reaped: a failed child is reaped here.
///
/// # Errors
/// The step that failed, with its errno.
pub fn spawn(image: &Image<'_>) -> Result<i32, (Step, Errno)> {
    let arguments = pointers(&image.arguments);
    let environment = pointers(&image.environment);
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|errno| (Step::Fork, errno))?;
    let mut before = SigSet::empty();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before));
    // SAFETY: the child calls nothing but system calls on memory made above, then execs or exits.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: we are the child, all signals are blocked, the vectors end in null.
        unsafe { become_program(image, &arguments, &environment, writer.as_raw_fd()) }
    }
    let fork_errno = Errno::last();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    if pid < 0 {
        return Err((Step::Fork, fork_errno));
    }
    drop(writer);
    match failure_from(reader) {
        None => Ok(pid),
        Some(failure) => {
            wait::for_child(pid);
            Err(failure)
        }
    }
}

/// Reads the child's report; exec closes the pipe, so nothing to read means success.
fn failure_from(reader: OwnedFd) -> Option<(Step, Errno)> {
    let mut report = [0u8; 5];
    std::fs::File::from(reader).read_exact(&mut report).ok()?;
    let errno = i32::from_ne_bytes([report[1], report[2], report[3], report[4]]);
    Some((Step::IN_CHILD[usize::from(report[0])], Errno::from_raw(errno)))
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
}

/// The child's side, up to exec.
///
/// # Safety
/// Only right after fork, in the child, with all signals blocked; both slices end in null.
unsafe fn become_program(
    image: &Image<'_>,
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
    report: i32,
) -> ! {
    // SAFETY: system calls with valid pointers; see the function's own contract.
    let (step, errno) = unsafe {
        libc::setpgid(0, 0);
        if image.foreground {
            // TTOU is blocked here, so this is allowed from the background (tcsetpgrp(3)).
            libc::tcsetpgrp(0, libc::getpid());
        }
        match prepare(image) {
            Err(failure) => failure,
            Ok(()) => {
                default_signals();
                (3u8, exec(&image.candidates, arguments, environment))
            }
        }
    };
    let mut bytes = [step, 0, 0, 0, 0];
    bytes[1..].copy_from_slice(&(errno as i32).to_ne_bytes());
    // SAFETY: writes five bytes that we own to the pipe, then ends without running any destructor.
    unsafe {
        libc::write(report, bytes.as_ptr().cast(), bytes.len());
        libc::_exit(127)
    }
}

/// Streams, folder and identity, in the child. The number is the place in `Step::IN_CHILD`.
unsafe fn prepare(image: &Image<'_>) -> Result<(), (u8, Errno)> {
    for (target, stream) in (0..).zip(&image.streams) {
        if let Some(stream) = stream {
            // SAFETY: both are open; the standard library keeps 0 to 2 open, so `stream` is above.
            check(0, unsafe { libc::dup2(stream.as_raw_fd(), target) })?;
        }
    }
    if let Some(identity) = &image.identity {
        // SAFETY: see `drop_privileges`.
        unsafe { drop_privileges(identity) }.map_err(|errno| (2, errno))?;
    }
    if let Some(folder) = &image.folder {
        // SAFETY: a C string that lives in `image`.
        check(1, unsafe { libc::chdir(folder.as_ptr()) })?;
    }
    Ok(())
}

/// Groups, then gid, then uid, then a look whether it holds (HAZARDS 15). Raw system calls: the C
/// library's wrappers signal all threads, which the child does not have.
unsafe fn drop_privileges(identity: &Identity) -> Result<(), Errno> {
    let syscall = |result: libc::c_long| if result == -1 { Err(Errno::last()) } else { Ok(()) };
    let (uid, gid) = (identity.uid, identity.gid);
    let mut seen = [0u32; 3];
    let [real, effective, saved] = &mut seen;
    // SAFETY: the list lives in `identity`, the three results live in `seen`.
    unsafe {
        syscall(libc::syscall(libc::SYS_setgroups, identity.groups.len(), identity.groups.as_ptr()))?;
        syscall(libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
        syscall(libc::syscall(libc::SYS_setresuid, uid, uid, uid))?;
        libc::getresuid(real, effective, saved);
    }
    // Whoever may become root again has not dropped anything.
    // SAFETY: a system call without pointers.
    let regained = uid != 0 && unsafe { libc::syscall(libc::SYS_setuid, 0) } == 0;
    if seen == [uid; 3] && !regained { Ok(()) } else { Err(Errno::EPERM) }
}

fn check(step: u8, result: i32) -> Result<(), (u8, Errno)> {
    if result == -1 { Err((step, Errno::last())) } else { Ok(()) }
}

/// Default dispositions for all 64 signals, then the empty mask (HAZARDS 10). Raw system calls: the
/// C library hides the signals that it uses itself.
unsafe fn default_signals() {
    // The kernel's sigaction is at most four words; all zero is SIG_DFL without flags.
    let default = [0u64; 4];
    let empty_mask = 0u64;
    for signal in 1..=64 {
        // SAFETY: reads `default`; KILL and STOP are refused, which is fine.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null_mut::<u64>(), 8usize);
        }
    }
    // SAFETY: reads `empty_mask`.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const empty_mask,
            ptr::null_mut::<u64>(),
            8usize,
        );
    }
}

/// Tries every candidate as execvp(3) does; returns only with the error that tells most.
unsafe fn exec(
    candidates: &[CString],
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
) -> Errno {
    let mut worst = Errno::ENOENT;
    for candidate in candidates {
        // SAFETY: C strings and null-terminated vectors made before the fork.
        unsafe { libc::execve(candidate.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        match Errno::last() {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => worst = Errno::EACCES,
            other => return other,
        }
    }
    worst
}

/// A pipe whose two ends no child inherits.
///
/// # Errors
/// pipe2(2)'s.
pub fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(OFlag::O_CLOEXEC)?)
}

/// `/dev/null` for reading and writing.
///
/// # Errors
/// open(2)'s: a container without /dev.
pub fn null() -> std::io::Result<OwnedFd> {
    Ok(std::fs::File::options().read(true).write(true).open("/dev/null")?.into())
}
