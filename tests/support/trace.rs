//! The steps of the sample bench that ran, with their processes, in order (see barrier.py).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

pub struct Trace {
    file: NamedTempFile,
}

/// The steps without a statement since the step before: they change only files, or nothing.
const WITHOUT_STATEMENT: [&str; 3] = ["folders", "site_config", "after_install:frappe"];

/// A step that a process reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    pub step: String,
    pub pid: u32,
}

impl Trace {
    pub fn new() -> Self {
        let file = NamedTempFile::new().expect("a file for a trace");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o666)).expect("a file for every user");
        Self { file }
    }

    /// The variable for the environment of the command, or of the program that will run it.
    pub fn environment(&self) -> (&'static str, &Path) {
        ("SAMPLE_BENCH_TRACE", self.file.path())
    }

    /// The steps in order.
    pub fn steps(&self) -> Vec<Reached> {
        let text = fs::read_to_string(self.file.path()).expect("the trace");
        text.lines().filter_map(Reached::read).collect()
    }

    pub fn last(&self) -> Option<Reached> {
        self.steps().pop()
    }

    /// The number of times that a step was reached.
    pub fn count(&self, step: &str) -> usize {
        self.steps().iter().filter(|reached| reached.step == step).count()
    }

    /// The steps that a process reached after a later process had begun: two were working at the same time. Steps
    /// without a statement do not count: a step without a connection cannot be prevented from making folders.
    pub fn overlaps(&self) -> Vec<Reached> {
        let mut superseded: Vec<u32> = Vec::new();
        let mut present = None;
        let mut found = Vec::new();
        for reached in self.steps() {
            if superseded.contains(&reached.pid) {
                if !WITHOUT_STATEMENT.contains(&reached.step.as_str()) {
                    found.push(reached);
                }
                continue;
            }
            if present != Some(reached.pid) {
                superseded.extend(present.replace(reached.pid));
            }
        }
        found
    }
}

impl Reached {
    fn read(line: &str) -> Option<Self> {
        let (step, pid) = line.rsplit_once(' ')?;
        Some(Self { step: step.to_owned(), pid: pid.parse().ok()? })
    }
}
