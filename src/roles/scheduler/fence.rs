//! Keeps Frappe's `worker-pool`, run by hand in a container, from ticking beside our scheduler.
//!
//! Frappe 16 starts a scheduler thread in every worker of a pool; the first that gets the lock `config/scheduler_process`
//! ticks, and containers do not share that file (docs/frappe-contract.md#scheduler-in-a-worker-pool). Frappe has no setting that leaves
//! the thread out. The lock is taken here and kept: by this process (`run`), and by the program that replaces it (`exec`), since it
//! belongs to the open file, which every child inherits.

use std::ffi::OsString;
use std::fs::File;
use std::mem;
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, Flock, FlockArg, fcntl};

/// Takes the lock if the command starts a worker pool, and nobody in this container holds it.
pub fn keep_from_ticking(command: &[OsString], bench_root: &Path) {
    if !command.iter().any(|word| word.to_string_lossy().contains("worker-pool")) {
        return;
    }
    let open = || {
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(bench_root.join("config/scheduler_process"))
    };
    // Without the folder, and without the right to write, Frappe cannot lock there either.
    let Ok(file) = open() else { return };
    let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else { return };
    if fcntl(&*lock, FcntlArg::F_SETFD(FdFlag::empty())).is_ok() {
        tracing::info!(
            event = "exec.scheduler_fenced",
            "the scheduler in this worker pool does not tick: the role scheduler does"
        );
    }
    mem::forget(lock);
}
