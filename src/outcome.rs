//! Exit codes, and the type that reports a failure to the operator.
//!
//! Codes follow sysexits(3) where it has a suitable one. Orchestrators and scripts match on them, so they are
//! constants in one place; a test compares the table of docs/exit-codes.md with [`EXIT_CODES`].

pub mod refusal;

use std::fmt;

use self::refusal::Refusal;

pub const DONE: u8 = 0;
/// EX_USAGE: the command line is invalid. clap's own code 2 is mapped to it.
pub const USAGE: u8 = 64;
/// EX_DATAERR: data exists that this program must not change.
pub const FOREIGN_DATA: u8 = 65;
/// EX_UNAVAILABLE: a dependency was not available within the deadline.
pub const UNAVAILABLE: u8 = 69;
/// EX_SOFTWARE: a bug in this program.
pub const BUG: u8 = 70;
/// EX_TEMPFAIL: another attempt may succeed.
pub const TRY_AGAIN: u8 = 75;
/// EX_NOPERM: a login, a grant or a file mode is missing.
pub const PERMISSION: u8 = 77;
/// EX_CONFIG: a setting is missing or wrong.
pub const CONFIGURATION: u8 = 78;
/// The program to run exists but cannot be executed (POSIX shell convention).
pub const CANNOT_EXECUTE: u8 = 126;
/// The program to run does not exist (POSIX shell convention).
pub const NOT_FOUND: u8 = 127;
/// A one-shot command ended by signal n exits 128 + n (POSIX shell convention).
pub const SIGNAL_BASE: u8 = 128;

/// Every exit code with its meaning, as in docs/exit-codes.md.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (DONE, "Success; a role that stopped on request"),
    (USAGE, "The command line is invalid"),
    (FOREIGN_DATA, "Site data that must not be changed, or is not where it should be; nothing was changed"),
    (
        UNAVAILABLE,
        "A dependency was not available in time; `probe`: the probe failed, or there was no answer",
    ),
    (BUG, "A bug in this program"),
    (TRY_AGAIN, "Another attempt may succeed: a step failed, the lock was lost, the disk is full"),
    (PERMISSION, "A wrong login, a missing grant, a path that this user cannot write"),
    (CONFIGURATION, "A setting, a file, a certificate or an address that cannot be used"),
    (CANNOT_EXECUTE, "The program cannot be executed"),
    (NOT_FOUND, "The program does not exist"),
];

/// An expected failure: its cause, a hint on how to fix it, and the exit code.
///
/// Bugs are not faults: they panic, and the panic hook exits with [`BUG`]. Neither text may contain a secret: both are
/// shown, logged and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: u8,
    pub cause: String,
    pub hint: String,
    /// The fixed name, if the fault is a refusal.
    pub refusal: Option<Refusal>,
}

pub type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub fn new(code: u8, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, cause: cause.into(), hint: hint.into(), refusal: None }
    }

    /// Gives the fault the fixed name of its refusal.
    pub fn named(self, refusal: Refusal) -> Self {
        Self { refusal: Some(refusal), ..self }
    }

    /// Returns the refusal's name, for log events.
    pub fn refusal_name(&self) -> Option<&'static str> {
        self.refusal.map(Refusal::as_str)
    }

    pub fn foreign_data(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(FOREIGN_DATA, cause, hint)
    }

    pub fn unavailable(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(UNAVAILABLE, cause, hint)
    }

    pub fn try_again(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(TRY_AGAIN, cause, hint)
    }

    pub fn permission(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(PERMISSION, cause, hint)
    }

    pub fn configuration(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(CONFIGURATION, cause, hint)
    }

    /// A failed file operation: 75 for ENOSPC and EDQUOT, which may go away; 77 for EACCES, EPERM and EROFS, which are
    /// a matter of rights; 78 for the rest, which means a wrong path.
    pub fn file(action: impl fmt::Display, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let cause = format!("{action}: {error}");
        // By kind: tempfile adds the path to its errors, and they lose the error number.
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Self::try_again(cause, "free some space on that volume, then start again")
            }
            // Only NFS's root_squash denies access to root.
            ErrorKind::PermissionDenied if nix::unistd::geteuid().is_root() => Self::permission(
                cause,
                "this process is root, and that volume maps root to an unprivileged user (NFS root_squash): run as the volume's owner",
            ),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::permission(
                cause,
                format!(
                    "this process runs as uid {} gid {}: make the path writable for it (fsGroup, chown, or a writable mount)",
                    nix::unistd::getuid(),
                    nix::unistd::getgid()
                ),
            ),
            _ => Self::configuration(cause, "check that path"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause, self.hint)
    }
}

impl std::error::Error for Fault {}

/// Why a command ended early.
#[derive(Debug)]
pub enum Stopped {
    /// A signal requested the stop; this is not a failure.
    Signal(nix::sys::signal::Signal),
    /// A failure.
    Fault(Fault),
}

/// The result of a step that a signal may also stop.
pub type Flow<T> = std::result::Result<T, Stopped>;

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
