//! Frappe's own lock, `config/scheduler_process`, if a process that is not ours holds it: Frappe's scheduler does not
//! run without it. frappe/scheduler.py writes the file that this reads.

use std::path::{Path, PathBuf};

use crate::outcome::Fault;
use crate::outcome::refusal::Refusal;
use crate::status::handle::RoleCheck;
use crate::supervise::run_service::End;

const HINT: &str = "end the other scheduler of this bench, or give each container its own `config` folder";

#[derive(Clone)]
pub struct HeldLock {
    file: PathBuf,
    /// The last text that was logged.
    logged: Option<String>,
}

impl HeldLock {
    pub fn new(tick_file: &Path) -> Self {
        let file = tick_file.with_extension("held");
        // The file of an earlier start of this container is stale.
        let _ = std::fs::remove_file(&file);
        Self { file, logged: None }
    }

    /// Names the lock file and its holder, if the last start of the process did not get the lock.
    fn read(&self) -> Option<String> {
        std::fs::read_to_string(&self.file).ok()
    }

    /// Makes a held lock the problem of a leader, and logs each change.
    pub fn apply(&mut self, check: &mut RoleCheck) {
        let held = self.read();
        if let Some(held) = &held {
            check.problem = Some(format!("leads, and its process cannot run: {held}"));
            if self.logged.as_ref() != Some(held) {
                tracing::error!(
                    event = "scheduler.lock_held",
                    lock = held,
                    hint = HINT,
                    "another process holds the lock of Frappe's scheduler: no scheduled job runs"
                );
            }
        }
        self.logged = held;
    }

    /// Names the cause of a crash loop if it is a held lock.
    pub fn explain(&self, end: End) -> End {
        match (end, self.read()) {
            (End::CrashLoop(_), Some(held)) => {
                let fault = Fault::try_again(format!("the scheduler cannot run: {held}"), HINT);
                End::Failed(fault.named(Refusal::SchedulerLocked))
            }
            (end, _) => end,
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;
    use crate::sys::exit::Exit;

    #[test]
    fn a_held_lock_of_this_start_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("scheduler-tick.held");
        std::fs::write(&file, "of an earlier start").unwrap();
        let mut held = HeldLock::new(&folder.path().join("scheduler-tick"));
        let looped = || End::CrashLoop(Exit::Exited(75));
        assert_eq!(held.explain(looped()), looped());
        let mut check = RoleCheck::default();
        held.apply(&mut check);
        assert_eq!(check.problem, None);
        std::fs::write(&file, "/b/config/scheduler_process is locked by pid 7 (python)").unwrap();
        held.apply(&mut check);
        assert!(check.problem.is_some_and(|problem| problem.contains("locked by pid 7")));
        let End::Failed(fault) = held.explain(looped()) else { panic!() };
        assert!(fault.cause.contains("locked by pid 7") && fault.code == 75);
        let stopped = || End::StopRequested(Signal::SIGTERM, None);
        assert_eq!(held.explain(stopped()), stopped());
    }
}
