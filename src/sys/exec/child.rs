//! The child's side of a start: from the fork to exec. It makes only system calls, on memory that the parent prepared.

use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::ptr;

use nix::errno::Errno;
use nix::libc;

use super::{Identity, Image, Step};
use crate::sys::limits;

/// The memory that parent and child share until exec.
pub(super) struct ChildContext<'a> {
    pub image: &'a Image<'a>,
    pub arguments: &'a [*const libc::c_char],
    pub environment: &'a [*const libc::c_char],
    /// The parent's pid.
    pub parent: libc::c_long,
    /// Set by the child if it fails.
    pub failure: Option<(Step, Errno)>,
}

/// Runs in the child, up to exec. Returns, which ends the child, only on failure.
///
/// Must be called only by clone(2), with a `ChildContext` and all signals blocked.
pub(super) extern "C" fn become_program(context: *mut libc::c_void) -> i32 {
    // SAFETY: `spawn` passes a live `ChildContext` and is suspended while we use it.
    let context = unsafe { &mut *context.cast::<ChildContext<'_>>() };
    // SAFETY: system calls on pointers that `spawn` made, in null-terminated vectors.
    let failure = unsafe {
        libc::setpgid(0, 0);
        if context.image.foreground {
            // Allowed from the background, since TTOU is blocked here (tcsetpgrp(3)).
            libc::tcsetpgrp(0, libc::syscall(libc::SYS_getpid) as i32);
        }
        let prepared = prepare(context.image);
        if let Some(signal) = context.image.parent_death {
            // After the identity, since its change clears this signal (prctl(2)).
            libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong, 0, 0, 0);
            // The parent may have ended before, in which case the kernel sends no signal.
            if libc::syscall(libc::SYS_getppid) != context.parent {
                return 127;
            }
        }
        prepared.err().unwrap_or_else(|| {
            default_signals();
            (Step::Exec, exec(&context.image.candidates, context.arguments, context.environment))
        })
    };
    // SAFETY: as above; the parent reads it after we have ended.
    unsafe { ptr::write_volatile(&raw mut context.failure, Some(failure)) };
    127
}

/// Sets streams, limits, identity and folder.
///
/// # Safety
/// Must be called by a process that is about to exec.
pub(super) unsafe fn prepare(image: &Image<'_>) -> Result<(), (Step, Errno)> {
    for (target, stream) in (0..).zip(&image.streams) {
        if let Some(stream) = stream {
            // SAFETY: both are open; the standard library keeps 0 to 2 open, so `stream` is above 2.
            check(Step::Streams, unsafe { libc::dup2(stream.as_raw_fd(), target) })?;
        }
    }
    if let Some(limit) = limits::original_files() {
        // SAFETY: reads a static value.
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

/// Sets groups, gid and uid in this order, then checks the result (docs/hazards.md#privilege-drop). Raw system
/// calls: the C library's wrappers signal all threads, which the child does not have.
unsafe fn drop_privileges(identity: &Identity) -> Result<(), Errno> {
    let syscall = |result: libc::c_long| if result == -1 { Err(Errno::last()) } else { Ok(()) };
    let (uid, gid) = (identity.uid, identity.gid);
    let mut uids = [0u32; 3];
    let [real, effective, saved] = &mut uids;
    // SAFETY: the list lives in `identity`, the three results live in `uids`.
    unsafe {
        syscall(libc::syscall(libc::SYS_setgroups, identity.groups.len(), identity.groups.as_ptr()))?;
        syscall(libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
        syscall(libc::syscall(libc::SYS_setresuid, uid, uid, uid))?;
        libc::getresuid(real, effective, saved);
    }
    // A process that can become root again has not dropped its privileges.
    // SAFETY: a system call without pointers.
    let regained = uid != 0 && unsafe { libc::syscall(libc::SYS_setuid, 0) } == 0;
    if uids == [uid; 3] && !regained { Ok(()) } else { Err(Errno::EPERM) }
}

fn check(step: Step, result: i32) -> Result<(), (Step, Errno)> {
    if result == -1 { Err((step, Errno::last())) } else { Ok(()) }
}

/// Sets default dispositions for all 64 signals, then the empty mask (docs/hazards.md#inherited-signal-state). Raw
/// system calls: the C library excludes the signals that it uses itself.
///
/// # Safety
/// Must be called by a process that is about to exec.
pub(super) unsafe fn default_signals() {
    // The kernel's sigaction is at most four words; all zero is SIG_DFL without flags.
    let default = [0u64; 4];
    let empty_mask = 0u64;
    for signal in 1..=64 {
        // SAFETY: reads `default`; the kernel refuses KILL and STOP, which is harmless.
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

/// Tries every candidate as execvp(3) does. Returns the most specific error.
///
/// # Safety
/// The vectors must end in null and point to C strings.
pub(super) unsafe fn exec(
    candidates: &[CString],
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
) -> Errno {
    let mut error = Errno::ENOENT;
    for candidate in candidates {
        // SAFETY: C strings and null-terminated vectors made before the fork.
        unsafe { libc::execve(candidate.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        match Errno::last() {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => error = Errno::EACCES,
            other => return other,
        }
    }
    error
}
