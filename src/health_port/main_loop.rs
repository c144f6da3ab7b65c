//! The check that the process's event loop runs.
//!
//! ```text
//!   health thread: a probe ── spawns a task ─▶ process's loop: runs it ── its end ─▶ health thread: green
//! ```
//!
//! tokio takes tasks of other threads before those that wait in its own queue, every 31 tasks
//! (`Builder::global_queue_interval`): the answer does not wait for the whole queue.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::status::checks::{Check, CheckName};

/// Longer than the time limit of a usual probe, so that the limit of the probe decides how long a busy process may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The event loop that a check asks.
#[derive(Clone)]
pub struct MainLoop(Handle);

impl MainLoop {
    /// Returns the loop of the caller.
    pub fn current() -> Self {
        Self(Handle::current())
    }

    /// Red if the loop does not run a task within 10 s, or has ended.
    pub async fn check(&self) -> Check {
        Check::new(CheckName::Loop, self.run(|| ()).await.err())
    }

    /// Runs `work` as a task of the loop.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        match timeout(DEADLINE, self.0.spawn(async { work() })).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err("the event loop has ended".to_owned()),
            Err(_) => Err(format!("the event loop did nothing for {} s", DEADLINE.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use tokio::runtime::Builder;

    use super::*;

    const TASKS: usize = 5_000;

    /// Runs `work` on a loop of its own thread, which ends when the returned sender is dropped.
    fn other_loop(work: impl FnOnce() + Send + 'static) -> (MainLoop, tokio::sync::oneshot::Sender<()>) {
        let (tell, told) = mpsc::channel();
        let (end, ended) = tokio::sync::oneshot::channel();
        thread::spawn(move || {
            Builder::new_current_thread().build().unwrap().block_on(async move {
                tell.send(MainLoop::current()).unwrap();
                work();
                let _ = ended.await;
            });
        });
        (told.recv().unwrap(), end)
    }

    #[tokio::test]
    async fn a_check_passes_the_tasks_that_wait() {
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = turns.clone();
        let (release, stuck) = mpsc::channel::<()>();
        let (main_loop, _end) = other_loop(move || {
            for _ in 0..TASKS {
                let turns = counted.clone();
                tokio::spawn(async move { turns.fetch_add(1, Ordering::Relaxed) });
            }
            let _ = stuck.recv();
        });
        let check = main_loop.run(move || turns.load(Ordering::Relaxed));
        let (turns, ()) = tokio::join!(check, async { drop(release) });
        assert!(turns.clone().is_ok_and(|turns| turns < 100), "{turns:?} of {TASKS} ran first");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_is_stuck_is_red() {
        let (release, stuck) = mpsc::channel::<()>();
        let (main_loop, _end) = other_loop(move || {
            let _ = stuck.recv();
        });
        let problem = main_loop.check().await.problem;
        assert_eq!(problem.as_deref(), Some("the event loop did nothing for 10 s"));
        drop(release);
        tokio::time::resume();
        assert_eq!(main_loop.check().await.problem, None);
    }

    #[tokio::test]
    async fn a_loop_that_has_ended_is_red() {
        let (main_loop, end) = other_loop(|| ());
        drop(end);
        let ended = async {
            loop {
                if let Some(problem) = main_loop.check().await.problem {
                    return problem;
                }
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(ended.await, "the event loop has ended");
    }
}
