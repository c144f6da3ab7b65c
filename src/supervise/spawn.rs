//! What to start, and why it could not be started.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use secrecy::SecretSlice;

use super::output::LineHandler;
use crate::outcome::{CANNOT_EXECUTE, Fault, NOT_FOUND, TRY_AGAIN};
pub use crate::sys::exec::Identity;
use crate::sys::exec::{Image, Step};

/// A program to run. Every child gets a process group of its own, an empty signal mask and default
/// dispositions, and no descriptor but 0 to 2.
#[derive(Clone)]
pub struct Spec {
    /// How logs and the status page call it.
    pub name: String,
    /// A path, or a name to look up in this environment's PATH.
    pub program: OsString,
    /// Without the program's own name.
    pub args: Vec<OsString>,
    /// The whole environment: nothing of our own is added (secrets stay here).
    pub env: BTreeMap<OsString, OsString>,
    pub cwd: Option<PathBuf>,
    pub stdin: Stdin,
    pub output: Output,
    /// None keeps ours.
    pub identity: Option<Identity>,
    /// Hand the terminal over, if stdin is one and we are in its foreground (docs/hazards.md#terminal).
    pub terminal: bool,
    /// The signal that it gets from the kernel when we are killed. The init of a container needs none:
    /// everybody dies with it.
    pub dies_with_us: Option<Signal>,
}

/// What a child reads.
#[derive(Clone)]
pub enum Stdin {
    /// /dev/null.
    Null,
    /// Our own.
    Inherit,
    /// These bytes, then the end; for what may not stand in argv or the environment.
    Bytes(SecretSlice<u8>),
}

/// Where a child's stdout and stderr go.
#[derive(Clone)]
pub enum Output {
    /// To our own, untouched.
    Inherit,
    /// Line by line to this handler, which must not block.
    Lines(LineHandler),
}

impl Spec {
    /// A program with our own folder, nothing in its environment, /dev/null as stdin.
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
            dies_with_us: None,
        }
    }

    /// Everything that is to be known before the fork, but for the streams.
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
            parent_death: self.dies_with_us.filter(|_| !crate::sys::process::is_init()),
            foreground: self.terminal && crate::sys::terminal::is_ours(),
        })
    }

    /// Becomes the program instead of starting it: no supervisor stays. Returns only what kept it from that.
    pub fn replace_us(&self) -> SpawnError {
        match self.image() {
            Ok(image) => {
                let (step, errno) = crate::sys::exec::replace(&image);
                self.error(step, errno)
            }
            Err(error) => error,
        }
    }

    /// Where the program may be: itself if it is a path, else each folder of its PATH.
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
        // The kernel says ENOENT for a missing interpreter too; only one of the two is a wrong name.
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

/// PATH where the environment has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that could not be started: nothing of it ran.
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
    /// 127 for what is not there, 126 for what cannot be executed, 75 where the system is short of
    /// something (pids, memory, descriptors).
    pub fn code(&self) -> u8 {
        match self.errno {
            Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::ETXTBSY => TRY_AGAIN,
            Errno::ENOENT | Errno::ENOTDIR if self.step == Step::Exec && !self.interpreter_missing => {
                NOT_FOUND
            }
            _ => CANNOT_EXECUTE,
        }
    }

    /// Another attempt may succeed with nothing changed.
    pub fn may_pass(&self) -> bool {
        self.code() == TRY_AGAIN
    }

    /// The same for the operator, with what to do.
    pub fn fault(&self) -> Fault {
        Fault::new(self.code(), self.to_string(), self.hint())
    }

    fn hint(&self) -> &'static str {
        match (self.step, self.errno) {
            (_, Errno::EAGAIN) => "raise the limit of processes (pids.max, ulimit -u)",
            (_, Errno::ENOMEM) => "raise the container's memory limit",
            (Step::Identity, _) => "start as root to run it as another user, or run it as this one",
            (Step::Folder, _) => "create that folder, or name another",
            (_, Errno::ENOEXEC) => "begin the script with #!, or build the program for this machine",
            (_, Errno::EACCES) => {
                "make it a file that this user may execute (chmod +x; the mount not noexec)"
            }
            (_, Errno::ENOENT) if self.interpreter_missing => {
                "install the interpreter of its #! line, or its dynamic loader"
            }
            (_, Errno::ENOENT | Errno::ENOTDIR) => "check the name, and PATH",
            _ => "look the error up in execve(2)",
        }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.errno.desc();
        match self.step {
            Step::Fork => write!(f, "cannot start `{}`: no new process: {reason}", self.program),
            Step::Streams => write!(f, "cannot start `{}`: its streams: {reason}", self.program),
            Step::Limits => write!(f, "cannot start `{}`: its limit of open files: {reason}", self.program),
            Step::Folder => {
                let folder = self.folder.as_deref().unwrap_or(Path::new("/"));
                write!(f, "cannot start `{}` in {}: {reason}", self.program, folder.display())
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
    fn a_bare_name_is_looked_up_in_the_childs_own_path() {
        let mut spec = Spec::new("x", "tool");
        spec.env.insert("PATH".into(), "/a::/b".into());
        assert_eq!(spec.candidates(), ["/a/tool", "./tool", "/b/tool"]);
        spec.program = "./tool".into();
        assert_eq!(spec.candidates(), ["./tool"]);
    }

    #[test]
    fn codes_are_those_of_a_shell() {
        let code = |step, errno| Spec::new("x", "/nonexistent").error(step, errno).code();
        assert_eq!(code(Step::Exec, Errno::ENOENT), NOT_FOUND);
        assert_eq!(code(Step::Exec, Errno::EACCES), CANNOT_EXECUTE);
        assert_eq!(code(Step::Folder, Errno::ENOENT), CANNOT_EXECUTE);
        assert_eq!(code(Step::Fork, Errno::EAGAIN), TRY_AGAIN);
        assert_eq!(Spec::new("x", "/").error(Step::Exec, Errno::ENOENT).code(), CANNOT_EXECUTE);
    }
}
