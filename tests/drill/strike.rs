//! The victims: the supervisor, all processes of its step, or the PostgreSQL backend that works for it.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::binary::Pod;
use crate::support::session::Session;
use crate::support::tree::with_descendants;
use crate::support::wait::within;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// Only the supervisor: its step lives on, as on a node that lost its network.
    Supervisor,
    /// Python, and the shell and psql that it runs.
    Step,
    /// PostgreSQL treats this as a crash and restarts completely.
    Backend,
}

pub const VICTIMS: [Victim; 3] = [Victim::Supervisor, Victim::Step, Victim::Backend];

/// Selects the step's session first, then the others: the lock's and those that provision.
const OUR_BACKEND: &str = "SELECT pid::text FROM pg_stat_activity WHERE application_name LIKE 'cauldron/%'
    ORDER BY application_name ~ '^cauldron/[a-z0-9]{20}$' DESC LIMIT 1";

impl Victim {
    /// `server` is a session on any database of the server.
    fn pids(self, server: &Session, pod: &Pod) -> Vec<u32> {
        match self {
            Self::Supervisor => [pod.pid()].into_iter().filter(|pid| lives(*pid)).collect(),
            Self::Step => with_descendants(pod.pid()).split_off(1),
            Self::Backend => {
                let rows = server.query(OUR_BACKEND).unwrap_or_default();
                rows.into_iter().filter_map(|mut row| row.pop()??.parse().ok()).collect()
            }
        }
    }

    pub fn exists(self, server: &Session, pod: &Pod) -> bool {
        !self.pids(server, pod).is_empty()
    }

    /// Sends SIGKILL. Returns false if there was no victim at that moment.
    pub fn strike(self, server: &Session, pod: &Pod) -> bool {
        let killed = |pid: &u32| kill(Pid::from_raw(*pid as i32), Signal::SIGKILL).is_ok();
        let has_hit = self.pids(server, pod).iter().filter(|pid| killed(pid)).count() > 0;
        if has_hit && matches!(self, Self::Backend) {
            // The server restarts once it notices, and ends every session. On a busy machine a new session can be
            // opened before that. A backend that was just ending makes it restart nothing.
            let _ = within(Duration::from_secs(10), || server.query("SELECT 1").is_err().then_some(()));
        }
        has_hit
    }
}

/// True if the process is running. A zombie does not count.
pub fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
