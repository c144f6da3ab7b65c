//! Several stages in parallel, so that one waits while another uses the CPU.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::drill_stage::DrillStage;

/// Returns the number of stages. A creation uses the CPU for half of its time.
fn stages() -> usize {
    thread::available_parallelism().map_or(2, usize::from).clamp(2, 6)
}

/// Gives each case to the next free stage, until `more` returns false.
pub fn in_parallel<T: Send>(
    more: impl Fn(usize) -> bool + Sync,
    case: impl Fn(&mut DrillStage, usize) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..stages() {
            scope.spawn(|| {
                let mut stage = DrillStage::new();
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    if !more(index) {
                        return;
                    }
                    let outcome = case(&mut stage, index);
                    done.lock().expect("the outcomes").push(outcome);
                    stage.reset();
                }
            });
        }
    });
    done.into_inner().expect("the outcomes")
}
