//! Starting a program by hand: what happens before exec is ours to order, and to report by step.
//!
//! The child borrows our memory until it execs, as in vfork(2): no page is copied, which makes up
//! most of what a fork costs, and it can leave word of a failure where we find it.
//!
//! All signals are blocked from before the fork until the child has its default dispositions, so a TERM for
//! the young child is neither lost in our handlers nor run by them (docs/hazards.md#lost-stop-signal,
//! docs/hazards.md#inherited-signal-state).

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use super::{limits, wait};

/// A program as the kernel wants it: every byte is there before the child, which may not
/// allocate.
pub struct Image<'a> {
    /// Tried in this order (PATH was taken apart already).
    pub candidates: Vec<CString>,
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    pub folder: Option<CString>,
    /// stdin, stdout, stderr; None is inherited.
    pub streams: [Option<BorrowedFd<'a>>; 3],
    pub identity: Option<Identity>,
    /// What the kernel sends it when the thread that starts it ends, which must be the main one
    /// (docs/hazards.md#parent-death-signal).
    pub parent_death: Option<Signal>,
    /// Make the child's group the terminal's foreground group (docs/hazards.md#terminal).
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
    Limits,
    Folder,
    Identity,
    Exec,
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
    let parent = std::process::id().into();
    let mut young = Young { image, arguments: &arguments, environment: &environment, parent, failure: None };
    let mut stack = vec![0u128; STACK_BYTES / size_of::<u128>()];
    let mut before = SigSet::empty();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before));
    // SAFETY: the kernel suspends this thread until the child has execed or ended, so `young` and
    // `stack` outlive its use of them. The stack grows down from its aligned end. The child makes
    // system calls on memory made above, and nothing else.
    let pid = unsafe {
        let top = stack.as_mut_ptr_range().end.cast();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        libc::clone(become_program, top, flags, (&raw mut young).cast())
    };
    let clone_errno = Errno::last();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    if pid < 0 {
        return Err((Step::Fork, clone_errno));
    }
    // SAFETY: `young` is alive; the child wrote to it behind the compiler's back.
    match unsafe { ptr::read_volatile(&raw const young.failure) } {
        None => Ok(pid),
        Some(failure) => {
            wait::for_child(pid);
            Err(failure)
        }
    }
}

/// Replaces this process by the program, in its folder and with default signals; returns only on failure.
pub fn replace(image: &Image<'_>) -> (Step, Errno) {
    let (arguments, environment) = (pointers(&image.arguments), pointers(&image.environment));
    // SAFETY: as in the child of `spawn`: system calls with pointers made above, whose vectors end in null.
    unsafe {
        prepare(image).err().unwrap_or_else(|| {
            default_signals();
            (Step::Exec, exec(&image.candidates, &arguments, &environment))
        })
    }
}

/// Enough for a few system calls.
const STACK_BYTES: usize = 32 * 1024;

/// What parent and child share until exec.
struct Young<'a> {
    image: &'a Image<'a>,
    arguments: &'a [*const libc::c_char],
    environment: &'a [*const libc::c_char],
    /// Our own number.
    parent: libc::c_long,
    failure: Option<(Step, Errno)>,
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
}

/// The child's side, up to exec; returns, and thereby ends the child, only on failure.
///
/// To be called by clone(2) alone, with a `Young`, all signals blocked.
extern "C" fn become_program(young: *mut libc::c_void) -> i32 {
    // SAFETY: `spawn` passes a live `Young` and is suspended while we use it.
    let young = unsafe { &mut *young.cast::<Young<'_>>() };
    // SAFETY: system calls with pointers that `spawn` made; its vectors end in null.
    let failure = unsafe {
        libc::setpgid(0, 0);
        if young.image.foreground {
            // TTOU is blocked here, so this is allowed from the background (tcsetpgrp(3)).
            libc::tcsetpgrp(0, libc::syscall(libc::SYS_getpid) as i32);
        }
        let prepared = prepare(young.image);
        if let Some(signal) = young.image.parent_death {
            // After the identity, whose change takes it back (prctl(2)).
            libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong, 0, 0, 0);
            // We may be an orphan already, and nobody would tell us.
            if libc::syscall(libc::SYS_getppid) != young.parent {
                return 127;
            }
        }
        prepared.err().unwrap_or_else(|| {
            default_signals();
            (Step::Exec, exec(&young.image.candidates, young.arguments, young.environment))
        })
    };
    // SAFETY: as above; the parent reads it once we have ended.
    unsafe { ptr::write_volatile(&raw mut young.failure, Some(failure)) };
    127
}

/// Streams, limits, identity and folder, in the child.
unsafe fn prepare(image: &Image<'_>) -> Result<(), (Step, Errno)> {
    for (target, stream) in (0..).zip(&image.streams) {
        if let Some(stream) = stream {
            // SAFETY: both are open; the standard library keeps 0 to 2 open, so `stream` is above.
            check(Step::Streams, unsafe { libc::dup2(stream.as_raw_fd(), target) })?;
        }
    }
    if let Some(limit) = limits::original_files() {
        // SAFETY: reads a value that lives as long as the program.
        check(Step::Limits, unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) })?;
    }
    if let Some(identity) = &image.identity {
        // SAFETY: see `drop_privileges`.
        unsafe { drop_privileges(identity) }.map_err(|errno| (Step::Identity, errno))?;
    }
    if let Some(folder) = &image.folder {
        // SAFETY: a C string that lives in `image`.
        check(Step::Folder, unsafe { libc::chdir(folder.as_ptr()) })?;
    }
    Ok(())
}

/// Groups, then gid, then uid, then a look whether it holds (docs/hazards.md#privilege-drop). Raw system
/// calls: the C library's wrappers signal all threads, which the child does not have.
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

fn check(step: Step, result: i32) -> Result<(), (Step, Errno)> {
    if result == -1 { Err((step, Errno::last())) } else { Ok(()) }
}

/// Default dispositions for all 64 signals, then the empty mask (docs/hazards.md#inherited-signal-state). Raw
/// system calls: the C library hides the signals that it uses itself.
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
