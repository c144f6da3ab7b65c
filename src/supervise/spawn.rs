//! The specification of a program to start, and the error if it could not be started.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use secrecy::SecretSlice;

use super::output::LineHandler;
use crate::outcome::{CANNOT_EXECUTE, Fault, NOT_FOUND, TRY_AGAIN};
pub use crate::sys::exec::Identity;
use crate::sys::exec::{Image, Step};

/// A program to run. Every child gets its own process group, an empty signal mask, default signal
/// dispositions, and only descriptors 0 to 2.
#[derive(Clone)]
pub struct Spec {
    /// The name in logs and on the status page.
    pub name: String,
    /// A path, or a name that is searched in the PATH of `env`.
    pub program: OsString,
    /// The arguments without the program's own name.
    pub args: Vec<OsString>,
    /// The complete environment: ours is not inherited, so that its secrets stay here.
    pub env: BTreeMap<OsString, OsString>,
    pub cwd: Option<PathBuf>,
    pub stdin: Stdin,
    pub output: Output,
    /// The user to run as; None keeps ours.
    pub identity: Option<Identity>,
    /// Hand the terminal to the child if stdin is one and we are in its foreground (docs/hazards.md#terminal).
    pub terminal: bool,
    /// The signal that the kernel sends it when we are killed. The init of a container needs none: all its
    /// processes end with it.
    pub parent_death_signal: Option<Signal>,
    /// True for work that may wait: it gets a low priority.
    pub nice: bool,
}

/// The standard input of a child.
#[derive(Clone)]
pub enum Stdin {
    /// /dev/null.
    Null,
    /// Our own.
    Inherit,
    /// These bytes, then end of file; for secrets that must not be in argv or the environment.
    Bytes(SecretSlice<u8>),
    /// The read end of a pipe; the child sees its end once every copy of the write end is closed.
    Pipe(Arc<OwnedFd>),
}

/// The destination of a child's stdout and stderr.
#[derive(Clone)]
pub enum Output {
    /// Our own stdout and stderr, unchanged.
    Inherit,
    /// This handler, line by line; it must not block.
    Lines(LineHandler),
    /// stdout: the write end of a pipe, byte by byte. stderr: this handler, line by line.
    Pipe(Arc<OwnedFd>, LineHandler),
}

impl Spec {
    /// A program in our working folder, with an empty environment and /dev/null as stdin.
    pub fn new(name: impl Into<String>, program: impl Into<OsString>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            stdin: Stdin::Null,
            output: Output::Inherit,
            identity: None,
            terminal: false,
            parent_death_signal: None,
            nice: false,
        }
    }

    /// Everything that is prepared before the fork, except the streams.
    pub(super) fn image(&self) -> Result<Image<'static>, SpawnError> {
        let text = |s: &OsStr| CString::new(s.as_bytes()).map_err(|_| self.error(Step::Exec, Errno::EINVAL));
        let argv = std::iter::once(&self.program).chain(&self.args);
        let environment = self.env.iter().map(|(name, value)| {
            let mut entry = name.clone();
            entry.push("=");
            entry.push(value);
            text(&entry)
        });
        Ok(Image {
            candidates: self.candidates().iter().map(|c| text(c)).collect::<Result<_, _>>()?,
            arguments: argv.map(|argument| text(argument)).collect::<Result<_, _>>()?,
            environment: environment.collect::<Result<_, _>>()?,
            folder: self.cwd.as_ref().map(|folder| text(folder.as_os_str())).transpose()?,
            streams: [None, None, None],
            identity: self.identity.clone(),
            parent_death: self.parent_death_signal.filter(|_| !crate::sys::process::is_init()),
            foreground: self.terminal && crate::sys::terminal::is_ours(),
        })
    }

    /// Replaces this process by the program, without a supervisor. Returns only on failure.
    pub fn replace_us(&self) -> SpawnError {
        match self.image() {
            Ok(image) => {
                let (step, errno) = crate::sys::exec::replace(&image);
                self.error(step, errno)
            }
            Err(error) => error,
        }
    }

    /// The possible paths of the program: itself if it is a path, else one for each folder of its PATH.
    fn candidates(&self) -> Vec<OsString> {
        let program = self.program.as_bytes();
        if program.is_empty() || program.contains(&b'/') {
            return vec![self.program.clone()];
        }
        let path = self.env.get(OsStr::new("PATH")).map_or(DEFAULT_PATH.as_bytes(), |path| path.as_bytes());
        let in_folder = |folder: &[u8]| {
            let folder = if folder.is_empty() { b"." } else { folder };
            OsString::from_vec([folder, b"/", program].concat())
        };
        path.split(|byte| *byte == b':').map(in_folder).collect()
    }

    pub(super) fn error(&self, step: Step, errno: Errno) -> SpawnError {
        // The kernel returns ENOENT for a missing interpreter too; then the name itself is right.
        let interpreter_missing =
            errno == Errno::ENOENT && self.candidates().iter().any(|candidate| Path::new(candidate).exists());
        SpawnError {
            name: self.name.clone(),
            program: self.program.to_string_lossy().into_owned(),
            folder: self.cwd.clone(),
            step,
            errno,
            interpreter_missing,
        }
    }
}

/// The PATH used if the environment has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The error of a program that could not be started: none of its code ran.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SpawnError {
    pub name: String,
    program: String,
    folder: Option<PathBuf>,
    step: Step,
    errno: Errno,
    interpreter_missing: bool,
}

impl SpawnError {
    /// The exit code: 127 if the program does not exist, 126 if it cannot be executed, 75 if the system lacks a
    /// resource (pids, memory, descriptors).
    pub fn code(&self) -> u8 {
        match self.errno {
            Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::ETXTBSY => TRY_AGAIN,
            Errno::ENOENT | Errno::ENOTDIR if self.step == Step::Exec && !self.interpreter_missing => {
                NOT_FOUND
            }
            _ => CANNOT_EXECUTE,
        }
    }

    /// True if another attempt may succeed without a change.
    pub fn is_transient(&self) -> bool {
        self.code() == TRY_AGAIN
    }

    /// The error with a hint for the operator.
    pub fn fault(&self) -> Fault {
        Fault::new(self.code(), self.to_string(), self.hint())
    }

    fn hint(&self) -> &'static str {
        match (self.step, self.errno) {
            (_, Errno::EAGAIN) => "raise the process limit (pids.max, ulimit -u)",
            (_, Errno::ENOMEM) => "raise the container's memory limit",
            (Step::Identity, _) => {
                "start as root to run the program as another user, or run it as the current user"
            }
            (Step::Folder, _) => "create that folder, or set another one",
            (_, Errno::ENOEXEC) => {
                "start the script with a #! line, or build the program for this architecture"
            }
            (_, Errno::EACCES) => {
                "make the file executable for this user (chmod +x), on a mount without noexec"
            }
            (_, Errno::ENOENT) if self.interpreter_missing => {
                "install the interpreter in its #! line, or its dynamic loader"
            }
            (_, Errno::ENOENT | Errno::ENOTDIR) => "check the program's name and PATH",
            _ => "see this error in execve(2)",
        }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.errno.desc();
        match self.step {
            Step::Fork => write!(f, "cannot start `{}`: cannot fork: {reason}", self.program),
            Step::Streams => {
                write!(f, "cannot start `{}`: cannot set up its streams: {reason}", self.program)
            }
            Step::Limits => {
                write!(f, "cannot start `{}`: cannot set its open file limit: {reason}", self.program)
            }
            Step::Folder => {
                let folder = self.folder.as_deref().unwrap_or(Path::new("/"));
                write!(f, "cannot start `{}` in folder {}: {reason}", self.program, folder.display())
            }
            Step::Identity => write!(f, "cannot start `{}` as another user: {reason}", self.program),
            Step::Exec if self.interpreter_missing => {
                write!(f, "cannot execute `{}`: its interpreter is missing", self.program)
            }
            Step::Exec => write!(f, "cannot execute `{}`: {reason}", self.program),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_searched_in_the_path_of_the_child() {
        let mut spec = Spec::new("x", "tool");
        spec.env.insert("PATH".into(), "/a::/b".into());
        assert_eq!(spec.candidates(), ["/a/tool", "./tool", "/b/tool"]);
        spec.program = "./tool".into();
        assert_eq!(spec.candidates(), ["./tool"]);
    }

    #[test]
    fn exit_codes_match_those_of_a_shell() {
        let code = |step, errno| Spec::new("x", "/nonexistent").error(step, errno).code();
        assert_eq!(code(Step::Exec, Errno::ENOENT), NOT_FOUND);
        assert_eq!(code(Step::Exec, Errno::EACCES), CANNOT_EXECUTE);
        assert_eq!(code(Step::Folder, Errno::ENOENT), CANNOT_EXECUTE);
        assert_eq!(code(Step::Fork, Errno::EAGAIN), TRY_AGAIN);
        assert_eq!(Spec::new("x", "/").error(Step::Exec, Errno::ENOENT).code(), CANNOT_EXECUTE);
    }
}
