//! The extent of the drill.

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::support::moments;

pub struct Scale {
    pub random_kills: usize,
    pub rounds_of_pods: usize,
    /// Every combination of step, victim and moment; otherwise each step with one of them in turn.
    pub everything: bool,
}

const SMALL: Scale = Scale { random_kills: 20, rounds_of_pods: 2, everything: false };
const FULL: Scale = Scale { random_kills: 200, rounds_of_pods: 20, everything: true };

pub fn scale() -> &'static Scale {
    if moments::is_drill() { &FULL } else { &SMALL }
}

/// Returns the random generator of one case: the same for the same seed, in whichever thread.
pub fn dice(case: usize) -> StdRng {
    StdRng::seed_from_u64(moments::seed().wrapping_add(case as u64))
}
