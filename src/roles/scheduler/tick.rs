//! The word that the scheduler leaves of each tick (frappe/scheduler.py).

use std::path::PathBuf;
use std::time::Duration;

use crate::sys::proc;

/// One look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// None where no process runs.
    pub running_for: Option<Duration>,
    /// Since the last tick that ended, of whichever process.
    pub lag: Option<Duration>,
    /// This Frappe's ticks cannot be seen.
    pub unseen: bool,
}

pub struct Tick {
    file: PathBuf,
}

impl Tick {
    pub fn new(file: PathBuf) -> Self {
        // What a container's earlier life left is of no use.
        let _ = std::fs::remove_file(&file);
        Self { file }
    }

    /// Reads what was left, on the clock that counts from the machine's start: it never jumps.
    pub fn look(&mut self, pid: Option<i32>) -> Seen {
        let running_for = pid.and_then(proc::age);
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let mut words = text.split_whitespace();
        let at: Option<f64> = words.next().and_then(|word| word.parse().ok());
        let lag = at.zip(proc::uptime_s()).map(|(at, now)| Duration::from_secs_f64((now - at).max(0.0)));
        let unseen = words.next() == Some("unseen");
        Seen { running_for, lag: lag.filter(|_| !unseen), unseen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tick");
        std::fs::write(&file, "1.0 enqueued\n").unwrap();
        let mut tick = Tick::new(file.clone());
        assert_eq!(tick.look(None), Seen::default());
        std::fs::write(&file, format!("{} enqueued\n", proc::uptime_s().unwrap() - 5.0)).unwrap();
        let seen = tick.look(Some(nix::unistd::getpid().as_raw()));
        assert!(seen.running_for.is_some() && seen.lag.is_some_and(|lag| lag.as_secs() == 5));
        std::fs::write(&file, "1.0 unseen\n").unwrap();
        assert_eq!(tick.look(None), Seen { unseen: true, ..Seen::default() });
    }
}
