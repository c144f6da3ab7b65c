//! supervisord, configured like our supervisor as far as it can be: one child, restarted at once.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::child::Then;
use super::events::{Event, Events};
use super::lab::Lab;
use super::started::Started;

pub struct Supervisord {
    pub process: Started,
    pub events: Events,
    /// The child's event that it is up.
    pub up: Event,
    _folder: TempDir,
}

impl Supervisord {
    /// Starts supervisord and waits until its child is up.
    pub fn start(lab: &Lab) -> Self {
        let folder = tempfile::Builder::new().prefix("supervisord-").tempdir().expect("a folder");
        let mut events = Events::new();
        let child = events.order(Then::Wait).words().join(" ");
        let pid_file = folder.path().join("pid");
        // startsecs=0: otherwise every crash of a new child causes a back-off of a second or more.
        let text = format!(
            "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={}\n\
             [program:child]\ncommand={child}\nautorestart=true\nstartsecs=0\nstartretries=1000000\n",
            pid_file.display()
        );
        let config = folder.path().join("supervisord.conf");
        fs::write(&config, text).expect("supervisord.conf");
        let process = lab.start(Command::new("supervisord").arg("-c").arg(&config));
        let up = events.expect("up");
        Self { process, events, up, _folder: folder }
    }
}
