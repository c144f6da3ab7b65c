//! Several labs in parallel, so that one waits while another uses the CPU.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::lab::Lab;

/// Returns the number of labs. A creation uses the CPU for half of its time.
fn places() -> usize {
    thread::available_parallelism().map_or(2, usize::from).clamp(2, 6)
}

/// Gives each case to the next free lab, until `more` returns false.
pub fn in_places<T: Send>(
    more: impl Fn(usize) -> bool + Sync,
    case: impl Fn(&mut Lab, usize) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..places() {
            scope.spawn(|| {
                let mut lab = Lab::new();
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    if !more(index) {
                        return;
                    }
                    let outcome = case(&mut lab, index);
                    done.lock().expect("the outcomes").push(outcome);
                    lab.reset();
                }
            });
        }
    });
    done.into_inner().expect("the outcomes")
}
