//! The settings of `run`. It reads no file of a bench, since it runs any program, and needs none.

use std::path::PathBuf;
use std::time::Duration;

use super::log::read_child_logs;
use super::place::read_bench;
use super::reader::Reader;
use super::value::read_duration;
use crate::telemetry::ChildLogs;

#[derive(Clone, Debug)]
pub struct RunConfig {
    pub grace: Duration,
    pub child_logs: ChildLogs,
    /// The bench of a program of Frappe's: FRAPPE_BENCH_ROOT, else that of the working directory, else CAULDRON_BENCH. It
    /// may not exist.
    pub bench_root: PathBuf,
}

/// Reads the settings. Problems are added to `reader.problems`.
pub fn load(reader: &mut Reader<'_>) -> Option<RunConfig> {
    Some(RunConfig {
        grace: read_duration(reader, "CAULDRON_GRACE", None).unwrap_or(Duration::from_secs(10)),
        child_logs: read_child_logs(reader, false)?,
        bench_root: match reader.environment("FRAPPE_BENCH_ROOT") {
            Some(root) => PathBuf::from(root),
            None => current_bench().or_else(|| read_bench(reader, false))?,
        },
    })
}

/// The bench that contains the working directory, as the `bench` command finds it.
fn current_bench() -> Option<PathBuf> {
    let folder = std::env::current_dir().ok()?;
    folder.ancestors().find(|root| root.join("apps/frappe").is_dir()).map(PathBuf::from)
}
