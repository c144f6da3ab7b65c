//! A job that runs until it is released.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::stage::{LONG, RolesStage};
use crate::support::wait::{eventually, within};

pub struct Job {
    pub started: PathBuf,
    release: PathBuf,
    pub done: PathBuf,
}

impl Job {
    pub fn enqueue(stage: &RolesStage, name: &str, queue: &str) -> Self {
        let file = |what: &str| stage.file(&format!("{name}-{what}"));
        let job = Self { started: file("started"), release: file("release"), done: file("done") };
        let kwargs = format!(
            "{{'method': 'ledger.tasks.hold', 'queue': '{queue}', 'job_id': '{name}', 'started': '{}', 'release': '{}', 'done': '{}'}}",
            job.started.display(),
            job.release.display(),
            job.done.display()
        );
        stage.execute("frappe.utils.background_jobs.enqueue", &kwargs);
        job
    }

    /// The pid of its work-horse.
    #[track_caller]
    pub fn wait_for_start(&self) -> i32 {
        eventually(LONG, "the job starts", || fs::read_to_string(&self.started).ok()?.trim().parse().ok())
    }

    pub fn release(&self) {
        fs::write(&self.release, "").expect("the job's release");
    }

    #[track_caller]
    pub fn wait_for_end(&self) {
        eventually(LONG, "the job ends", || self.done.exists().then_some(()));
    }

    pub fn is_done_within(&self, deadline: Duration) -> bool {
        within(deadline, || self.done.exists().then_some(())).is_some()
    }
}
