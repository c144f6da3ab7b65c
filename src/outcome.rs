//! Exit codes, and the one type that carries a failure to the operator.
//!
//! Codes follow sysexits(3) where it has a fitting one. Orchestrators and scripts match on them, so
//! they are constants in one place; a test holds the table of docs/exit-codes.md against [`EXIT_CODES`].

pub mod refusal;

use std::fmt;

use self::refusal::Refusal;

pub const DONE: u8 = 0;
/// EX_USAGE: the command line cannot be read. clap's own 2 is mapped to it.
pub const USAGE: u8 = 64;
/// EX_DATAERR: there is data, and it is not ours to touch.
pub const FOREIGN_DATA: u8 = 65;
/// EX_UNAVAILABLE: a dependency was not there within the deadline.
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

/// Every exit code with its meaning, as the README tells it.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (DONE, "Done; a role that was asked to stop"),
    (USAGE, "The command line cannot be read"),
    (FOREIGN_DATA, "Site data that is not ours to touch, or not where it should be; nothing was changed"),
    (UNAVAILABLE, "A dependency was not there in time; `probe`: red, or nobody answers"),
    (BUG, "A bug in this program"),
    (TRY_AGAIN, "Another attempt may do: a step failed, the lock was lost, the disk is full"),
    (PERMISSION, "A wrong login, a missing grant, a path that this user may not write"),
    (CONFIGURATION, "A setting, a file, a certificate or an address that cannot be used"),
    (CANNOT_EXECUTE, "The program cannot be executed"),
    (NOT_FOUND, "The program is not there"),
];

/// An expected failure: what is wrong, what to do about it, and the exit code that says so.
///
/// Bugs are not faults: they panic, and the panic hook in `main` exits with [`BUG`].
/// Neither text may hold a secret; both are shown, logged and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: u8,
    pub cause: String,
    pub hint: String,
    /// Where it is a refusal: its fixed name.
    pub refusal: Option<Refusal>,
}

pub type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub fn new(code: u8, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, cause: cause.into(), hint: hint.into(), refusal: None }
    }

    /// The same fault under the fixed name of its refusal.
    pub fn named(self, refusal: Refusal) -> Self {
        Self { refusal: Some(refusal), ..self }
    }

    /// The refusal's name, for log events.
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

    /// A file operation that failed: ENOSPC and EDQUOT may pass (75), EACCES, EPERM and EROFS are
    /// rights (77), the rest is a wrong path (78).
    pub fn file(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let cause = format!("{doing}: {error}");
        // By kind: tempfile puts the path into its errors, and the error's number is gone then.
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Self::try_again(cause, "free some space on that volume, then start again")
            }
            // Root is kept out by nothing else than NFS's root_squash.
            ErrorKind::PermissionDenied if nix::unistd::geteuid().is_root() => Self::permission(
                cause,
                "this process is root, and that volume makes root nobody (NFS root_squash): run as the volume's owner",
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

/// Why a pipeline ended before its end.
#[derive(Debug)]
pub enum Stopped {
    /// A signal asked for it; nothing is wrong.
    Signal(nix::sys::signal::Signal),
    /// Something is wrong.
    Fault(Fault),
}

/// What a step of a pipeline gives, where a signal may stop it, too.
pub type Flow<T> = std::result::Result<T, Stopped>;

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
