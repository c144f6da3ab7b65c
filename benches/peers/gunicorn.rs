//! The gunicorn of our `web`, started without us: with the same arguments, environment and folder.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use super::started::descendants;

pub struct Gunicorn {
    words: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
}

impl Gunicorn {
    /// Reads the command of the gunicorn under this supervisor, and replaces its socket by a port: it has no front.
    pub fn under(supervisor: i32, port: u16) -> Self {
        let pid = *descendants(supervisor).first().expect("a running gunicorn");
        let strings = |file: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).expect("a process of ours");
            let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
            parts.map(|part| OsStr::from_bytes(part).to_owned()).collect::<Vec<_>>()
        };
        // The kernel puts the interpreter before the script.
        let words = strings("cmdline");
        let script = words.iter().position(|word| word.as_bytes().ends_with(b"/gunicorn"));
        let mut words = words[script.expect("a gunicorn that kept its command line")..].to_vec();
        let bind = words.iter().position(|word| word == "--bind").expect("a gunicorn with --bind");
        words[bind + 1] = format!("127.0.0.1:{port}").into();
        let environment = strings("environ").iter().map(|entry| split(entry)).collect();
        let folder = fs::read_link(format!("/proc/{pid}/cwd")).expect("a process of ours");
        Self { words, environment, folder }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).envs(self.environment.iter().cloned()).current_dir(&self.folder);
        command
    }

    /// The arguments as a command line.
    pub fn arguments(&self) -> String {
        self.words[1..].join(OsStr::new(" ")).to_string_lossy().into_owned()
    }
}

fn split(entry: &OsStr) -> (OsString, OsString) {
    let bytes = entry.as_bytes();
    let sign = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
    let value = bytes.get(sign + 1..).unwrap_or_default();
    (OsStr::from_bytes(&bytes[..sign]).to_owned(), OsStr::from_bytes(value).to_owned())
}
