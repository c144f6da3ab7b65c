//! Bodies in the runtime folder that arrive below the minimal rate. They give way to an upload that waits for room.
//!
//! ```text
//!   arriving ── 5 s below the rate ──▶ slow ── in time again, or complete ──▶ arriving
//!                                       └─ an upload lacks room: the longest slow first ──▶ leaving (408)
//! ```
//!
//! What leaves is free for the upload at once: otherwise a body that has just begun could take it first.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::budget::Budget;

/// The bytes of a body.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub bytes: u64,
    /// True for a body that is limited to the share of large bodies.
    pub is_large: bool,
}

/// What a body lacks in the runtime folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Bytes of whatever kind.
    pub bytes: u64,
    /// Bytes of the share of large bodies.
    pub large_bytes: u64,
}

impl Missing {
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    fn is_reduced_by(self, size: Size) -> bool {
        self.bytes > 0 || (size.is_large && self.large_bytes > 0)
    }

    fn without(self, size: Size) -> Self {
        let large_bytes = if size.is_large { size.bytes } else { 0 };
        Self {
            bytes: self.bytes.saturating_sub(size.bytes),
            large_bytes: self.large_bytes.saturating_sub(large_bytes),
        }
    }
}

/// The slow bodies by the order in which they became slow, and the bytes of those that leave.
#[derive(Debug, Default)]
pub struct SlowBodies {
    slow: BTreeMap<u64, (Size, oneshot::Sender<()>)>,
    last: u64,
    leaving_bytes: u64,
    leaving_large_bytes: u64,
}

impl SlowBodies {
    pub fn leaving_bytes(&self) -> u64 {
        self.leaving_bytes
    }

    pub fn leaving_large_bytes(&self) -> u64 {
        self.leaving_large_bytes
    }

    /// Lets as many bodies leave as have what is missing, the longest slow first. Returns false if all of them have
    /// less: then none leaves.
    pub fn make_room(&mut self, mut missing: Missing) -> bool {
        let mut leaving = Vec::new();
        for (place, (size, _)) in &self.slow {
            if missing.is_reduced_by(*size) {
                missing = missing.without(*size);
                leaving.push(*place);
            }
        }
        if !missing.is_nothing() {
            return false;
        }
        for place in leaving {
            let Some((size, leaves)) = self.slow.remove(&place) else { continue };
            self.leaving_bytes += size.bytes;
            self.leaving_large_bytes += if size.is_large { size.bytes } else { 0 };
            // If it has just ended, its bytes are released anyway.
            let _ = leaves.send(());
        }
        true
    }

    fn has_ended(&mut self, place: u64, size: Size) {
        if self.slow.remove(&place).is_none() {
            self.leaving_bytes -= size.bytes;
            self.leaving_large_bytes -= if size.is_large { size.bytes } else { 0 };
        }
    }
}

/// A body that is slow, until it is dropped.
#[derive(Debug)]
pub struct SlowBody {
    budget: Arc<Budget>,
    place: u64,
    size: Size,
    leaves: oneshot::Receiver<()>,
}

impl SlowBody {
    pub fn new(budget: Arc<Budget>, size: Size) -> Self {
        let (sender, leaves) = oneshot::channel();
        let mut state = budget.state();
        let bodies = &mut state.slow_bodies;
        bodies.last += 1;
        let place = bodies.last;
        bodies.slow.insert(place, (size, sender));
        drop(state);
        Self { budget, place, size, leaves }
    }

    /// Completes when it has to give way.
    pub async fn gives_way(&mut self) {
        let _ = (&mut self.leaves).await;
    }
}

impl Drop for SlowBody {
    fn drop(&mut self) {
        self.budget.state().slow_bodies.has_ended(self.place, self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::FolderLimit;
    use super::*;

    fn left(bodies: &mut [SlowBody]) -> Vec<bool> {
        bodies.iter_mut().map(|body| body.leaves.try_recv().is_ok()).collect()
    }

    #[test]
    fn only_as_many_bodies_leave_as_are_needed_and_the_longest_slow_first() {
        let budget = Budget::new(FolderLimit::None);
        let small = Size { bytes: 10, is_large: false };
        let large = Size { bytes: 100, is_large: true };
        let mut bodies = [small, small, large, small, large].map(|size| SlowBody::new(budget.clone(), size));
        let make_room = |bytes, large_bytes| {
            let mut state = budget.state();
            let is_made = state.slow_bodies.make_room(Missing { bytes, large_bytes });
            (is_made, state.slow_bodies.leaving_bytes(), state.slow_bodies.leaving_large_bytes())
        };
        assert_eq!(make_room(231, 0), (false, 0, 0), "they have 230");
        assert_eq!(left(&mut bodies), [false; 5]);
        assert_eq!(make_room(15, 0), (true, 20, 0));
        assert_eq!(left(&mut bodies), [true, true, false, false, false]);
        assert_eq!(make_room(0, 101), (true, 220, 200), "a small body has nothing of what large ones lack");
        assert_eq!(left(&mut bodies)[2..], [true, false, true]);
        drop(bodies);
        assert_eq!(make_room(0, 0), (true, 0, 0), "nothing is left");
    }
}
