//! The tick file, which the scheduler process writes after each tick (frappe/scheduler.py).

use std::path::PathBuf;
use std::time::Duration;

use crate::sys::proc;

/// One reading of the tick file, and the age of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TickStatus {
    /// None if no process runs.
    pub running_for: Option<Duration>,
    /// Time since the last completed tick, of this process or an earlier one.
    pub lag: Option<Duration>,
    /// True if this Frappe's ticks cannot be observed.
    pub unobservable: bool,
}

pub struct TickFile {
    file: PathBuf,
}

impl TickFile {
    pub fn new(file: PathBuf) -> Self {
        // The file of an earlier start of this container is stale.
        let _ = std::fs::remove_file(&file);
        Self { file }
    }

    /// Reads the file. Its times count from the boot of the machine, a clock that never jumps.
    pub fn read(&mut self, pid: Option<i32>) -> TickStatus {
        let running_for = pid.and_then(proc::age);
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let mut words = text.split_whitespace();
        let at: Option<f64> = words.next().and_then(|word| word.parse().ok());
        let lag = at.zip(proc::uptime_s()).map(|(at, now)| Duration::from_secs_f64((now - at).max(0.0)));
        let unobservable = words.next() == Some("unseen");
        TickStatus { running_for, lag: lag.filter(|_| !unobservable), unobservable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_read_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tick");
        std::fs::write(&file, "1.0 enqueued\n").unwrap();
        let mut tick_file = TickFile::new(file.clone());
        assert_eq!(tick_file.read(None), TickStatus::default());
        std::fs::write(&file, format!("{} enqueued\n", proc::uptime_s().unwrap() - 5.0)).unwrap();
        let status = tick_file.read(Some(nix::unistd::getpid().as_raw()));
        assert!(status.running_for.is_some() && status.lag.is_some_and(|lag| lag.as_secs() == 5));
        std::fs::write(&file, "1.0 unseen\n").unwrap();
        assert_eq!(tick_file.read(None), TickStatus { unobservable: true, ..TickStatus::default() });
    }
}
