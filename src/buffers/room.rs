//! Uploads that wait for room in the runtime folder. Meanwhile nothing is read from their clients.
//!
//! ```text
//!   no room ─▶ Waiting ── bytes were released, or a second has passed ──▶ tried again
//!                ├─ 10 s without room ─────────────────────────────────▶ refused (503)
//!                └─ all bytes of requests belong to uploads that wait, and of these it is the youngest ──▶ refused
//! ```
//!
//! The last rule prevents that they wait for each other: the youngest makes room for the others. Slow bodies
//! (slow_bodies.rs) give way to the upload that has waited the longest.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::time::{Instant, sleep_until};

use super::bounds::{MAX_WAITING_UPLOADS, ROOM_TIMEOUT};
use super::budget::Budget;

/// Others may release space on the same disk, of which nobody tells us.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The uploads that wait, by the order in which they first waited.
#[derive(Debug, Default)]
pub struct WaitingUploads {
    /// The bytes of each in the runtime folder.
    held_bytes: BTreeMap<u64, u64>,
    /// All that wait or try again.
    queue: BTreeSet<u64>,
    last: u64,
}

impl WaitingUploads {
    pub fn count(&self) -> usize {
        self.held_bytes.len()
    }

    /// True if this upload must make room: all of the bytes belong to uploads that wait, and this is the youngest of
    /// several that have some.
    fn must_make_room(&self, place: u64, all_bytes: u64) -> bool {
        let mut holders = self.held_bytes.iter().rev().filter(|(_, bytes)| **bytes > 0);
        let is_youngest = holders.next().is_some_and(|(youngest, _)| *youngest == place);
        is_youngest && holders.next().is_some() && self.held_bytes.values().sum::<u64>() == all_bytes
    }
}

/// The wait of one upload.
#[derive(Debug)]
pub struct RoomWait {
    budget: Arc<Budget>,
    /// Its place in the order. It keeps it when it waits again.
    place: Option<u64>,
    deadline: Option<Instant>,
}

/// One that is counted as waiting, until it is dropped.
struct Registered<'a> {
    budget: &'a Budget,
    place: u64,
}

impl RoomWait {
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { budget, place: None, deadline: None }
    }

    /// The wait is over: the next one may take as long.
    pub fn has_progressed(&mut self) {
        if self.deadline.take().is_some() {
            self.leave_queue();
        }
    }

    /// True if no other upload has waited longer, so that slow bodies give way to this one.
    pub fn is_first(&self) -> bool {
        let state = self.budget.state();
        state.waiting.queue.first().is_none_or(|first| self.place.is_some_and(|place| place <= *first))
    }

    fn leave_queue(&self) {
        if let Some(place) = self.place {
            self.budget.state().waiting.queue.remove(&place);
        }
    }

    /// Waits until there may be room. `released` was made before the last attempt, so that no release is missed.
    /// Returns false if the upload must be refused.
    pub async fn may_try_again(&mut self, held_bytes: u64, released: Notified<'_>) -> bool {
        let budget = self.budget.clone();
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + ROOM_TIMEOUT);
        if Instant::now() >= deadline {
            return false;
        }
        let Some(registered) = self.register(&budget, held_bytes) else { return false };
        let mut released = pin!(released);
        let mut retry = pin!(sleep_until(deadline.min(Instant::now() + RETRY_INTERVAL)));
        loop {
            let others_changed = budget.waiting_changed.notified();
            if registered.must_make_room() {
                return false;
            }
            tokio::select! {
                biased;
                () = released.as_mut() => return true,
                () = retry.as_mut() => return Instant::now() < deadline,
                () = others_changed => {}
            }
        }
    }

    fn register<'a>(&mut self, budget: &'a Budget, held_bytes: u64) -> Option<Registered<'a>> {
        let mut state = budget.state();
        let waiting = &mut state.waiting;
        if waiting.count() >= MAX_WAITING_UPLOADS {
            return None;
        }
        let place = *self.place.get_or_insert_with(|| {
            waiting.last += 1;
            waiting.last
        });
        waiting.held_bytes.insert(place, held_bytes);
        waiting.queue.insert(place);
        drop(state);
        if held_bytes > 0 {
            budget.waiting_changed.notify_waiters();
        }
        Some(Registered { budget, place })
    }
}

impl Drop for RoomWait {
    fn drop(&mut self) {
        self.leave_queue();
    }
}

impl Registered<'_> {
    fn must_make_room(&self) -> bool {
        let state = self.budget.state();
        state.waiting.must_make_room(self.place, state.requests_on_disk_bytes())
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.budget.state().waiting.held_bytes.remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{FolderLimit, Kind, Place};
    use super::*;

    fn waiting(held: &[u64]) -> WaitingUploads {
        let held_bytes = held.iter().enumerate().map(|(place, bytes)| (place as u64, *bytes)).collect();
        WaitingUploads { held_bytes, last: held.len() as u64, ..WaitingUploads::default() }
    }

    #[test]
    fn the_youngest_of_uploads_that_wait_for_each_other_makes_room() {
        let of = |held: &[u64], all| {
            let waiting = waiting(held);
            (0..held.len() as u64).filter(|place| waiting.must_make_room(*place, all)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[5, 5, 5], 15), [2]);
        assert_eq!(of(&[5, 5, 0], 10), [1], "the last one holds nothing that would help");
        assert_eq!(of(&[5, 5], 11), [0; 0], "a request that does not wait will release its bytes");
        assert_eq!(of(&[5, 0, 0], 5), [0; 0], "responses have the rest");
        assert_eq!(of(&[0, 0], 0), [0; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_waits_until_room_is_released_and_not_forever() {
        let budget = Budget::new(FolderLimit::None);
        let mut other = budget.charge(Kind::Request, Place::Disk, 0);
        other.add(10);
        let mut wait = RoomWait::new(budget.clone());
        let begun = Instant::now();
        let released = budget.released();
        let release = async { other.release(10) };
        let (may, ()) = tokio::join!(wait.may_try_again(0, released), release);
        assert!(may && begun.elapsed() < RETRY_INTERVAL);
        while wait.may_try_again(0, budget.released()).await {}
        assert_eq!(begun.elapsed(), ROOM_TIMEOUT);
        wait.has_progressed();
        assert!(wait.may_try_again(0, budget.released()).await);
        assert_eq!(budget.state().waiting.count(), 0);
    }

    #[tokio::test]
    async fn a_bounded_number_of_uploads_waits() {
        let budget = Budget::new(FolderLimit::None);
        budget.state().waiting = waiting(&[0; MAX_WAITING_UPLOADS]);
        assert!(!RoomWait::new(budget.clone()).may_try_again(0, budget.released()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_keeps_its_place_until_it_has_room() {
        let budget = Budget::new(FolderLimit::None);
        let [mut first, mut second, newcomer] = [0; 3].map(|_| RoomWait::new(budget.clone()));
        assert!(newcomer.is_first(), "none waits");
        for wait in [&mut first, &mut second] {
            assert!(wait.may_try_again(0, budget.released()).await);
        }
        assert_eq!([&first, &second, &newcomer].map(RoomWait::is_first), [true, false, false]);
        first.has_progressed();
        assert!(second.is_first());
        assert!(first.may_try_again(0, budget.released()).await);
        assert_eq!([&first, &second].map(RoomWait::is_first), [true, false], "it waited before");
        drop((first, second));
        assert!(newcomer.is_first());
    }
}
