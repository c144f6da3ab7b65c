//! Starts programs with clone(2) and execve(2), to control the order of the steps before exec and to report the step
//! that failed.
//!
//! The child shares our memory until it execs, as in vfork(2): no page is copied, which is most of the cost of a
//! fork, and the child can store its failure where we read it.
//!
//! All signals are blocked from before the fork until the child has default dispositions, so a TERM to the new
//! child is neither lost in our handlers nor run by them (docs/hazards.md#lost-stop-signal,
//! docs/hazards.md#inherited-signal-state).

mod child;

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use self::child::{ChildContext, become_program};
use super::wait;

/// A program in the form that the kernel needs, complete before the fork: the child may not allocate.
pub struct Image<'a> {
    /// The possible paths in the order of PATH, each tried in turn.
    pub candidates: Vec<CString>,
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    pub folder: Option<CString>,
    /// stdin, stdout, stderr; None means inherited.
    pub streams: [Option<BorrowedFd<'a>>; 3],
    pub identity: Option<Identity>,
    /// The signal that the kernel sends it when the thread that starts it ends; this must be the main thread
    /// (docs/hazards.md#parent-death-signal).
    pub parent_death: Option<Signal>,
    /// Make the child's group the terminal's foreground group (docs/hazards.md#terminal).
    pub foreground: bool,
}

/// The user and groups of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// The step at which a start failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Fork,
    Streams,
    Limits,
    Folder,
    Identity,
    Exec,
}

/// Starts a child in its own process group and returns its pid once exec has succeeded.
///
/// The caller holds the lock under which children are reaped: a failed child is reaped here.
///
/// # Errors
/// The step that failed, with its errno.
pub fn spawn(image: &Image<'_>) -> Result<i32, (Step, Errno)> {
    let arguments = pointers(&image.arguments);
    let environment = pointers(&image.environment);
    let parent = std::process::id().into();
    let mut context =
        ChildContext { image, arguments: &arguments, environment: &environment, parent, failure: None };
    let mut stack = vec![0u128; STACK_BYTES / size_of::<u128>()];
    let mut previous_mask = SigSet::empty();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut previous_mask));
    // SAFETY: the kernel suspends this thread until the child has execed or ended, so `context` and
    // `stack` outlive its use of them. The stack grows down from its aligned end. The child only makes
    // system calls on memory prepared above.
    let pid = unsafe {
        let top = stack.as_mut_ptr_range().end.cast();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        libc::clone(become_program, top, flags, (&raw mut context).cast())
    };
    let clone_errno = Errno::last();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&previous_mask), None);
    if pid < 0 {
        return Err((Step::Fork, clone_errno));
    }
    // SAFETY: `context` is alive; a volatile read, since the compiler does not see the child's write.
    match unsafe { ptr::read_volatile(&raw const context.failure) } {
        None => Ok(pid),
        Some(failure) => {
            wait::for_child(pid);
            Err(failure)
        }
    }
}

/// Replaces this process by the program, in its folder and with default signals. Returns only on failure.
pub fn replace(image: &Image<'_>) -> (Step, Errno) {
    let (arguments, environment) = (pointers(&image.arguments), pointers(&image.environment));
    // SAFETY: as in the child of `spawn`: system calls on pointers made above, in null-terminated vectors.
    unsafe {
        child::prepare(image).err().unwrap_or_else(|| {
            child::default_signals();
            (Step::Exec, child::exec(&image.candidates, &arguments, &environment))
        })
    }
}

/// The child's stack: enough for a few system calls.
const STACK_BYTES: usize = 32 * 1024;

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
}

/// A pipe whose ends are not inherited by children.
///
/// # Errors
/// Those of pipe2(2).
pub fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(OFlag::O_CLOEXEC)?)
}

/// `/dev/null` for reading and writing.
///
/// # Errors
/// Those of open(2), as in a container without /dev.
pub fn null() -> std::io::Result<OwnedFd> {
    Ok(std::fs::File::options().read(true).write(true).open("/dev/null")?.into())
}
