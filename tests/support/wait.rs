//! The one way to wait in a test: ask again until it is so, and say what never came.

use std::thread;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(5);

/// Asks until `probe` gives something; past `deadline` the test fails naming `what`.
#[track_caller]
pub fn eventually<T>(deadline: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    match within(deadline, &mut probe) {
        Some(found) => found,
        None => panic!("not within {deadline:?}: {what}"),
    }
}

/// The same, when not happening is an answer too.
pub fn within<T>(deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(INTERVAL);
    }
}
