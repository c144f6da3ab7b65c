//! The extent of the drill, and its seed.

use std::sync::OnceLock;

use rand::SeedableRng;
use rand::rngs::StdRng;

pub struct Scale {
    pub random_kills: usize,
    pub rounds_of_pods: usize,
    /// Every combination of step, victim and moment; otherwise each step with one of them in turn.
    pub everything: bool,
}

const SMALL: Scale = Scale { random_kills: 20, rounds_of_pods: 2, everything: false };
const FULL: Scale = Scale { random_kills: 200, rounds_of_pods: 20, everything: true };

pub fn scale() -> &'static Scale {
    match std::env::var("CAULDRON_DRILL").as_deref() {
        Ok("full") => &FULL,
        Ok(other) => panic!("CAULDRON_DRILL={other}: only `full` is known"),
        Err(_) => &SMALL,
    }
}

/// Returns CAULDRON_DRILL_SEED, or a new seed, which is printed once.
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("CAULDRON_DRILL_SEED").ok();
        let seed =
            given.map_or_else(rand::random, |text| text.parse().expect("CAULDRON_DRILL_SEED is a number"));
        println!("drill: CAULDRON_DRILL_SEED={seed} repeats this run");
        seed
    })
}

/// Returns the random generator of one case: the same for the same seed, in whichever thread.
pub fn dice(case: usize) -> StdRng {
    StdRng::seed_from_u64(seed().wrapping_add(case as u64))
}
