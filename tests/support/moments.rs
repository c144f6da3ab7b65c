//! How often the tests of backups and restores kill, and when: a few times, and in `make drill` a hundred times.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// True in `make drill`.
pub fn is_drill() -> bool {
    std::env::var("CAULDRON_DRILL").is_ok_and(|scale| scale == "full")
}

/// The number of kills.
pub fn kills() -> u32 {
    if is_drill() { 100 } else { 10 }
}

/// Random moments. CAULDRON_DRILL_SEED repeats those of a run, which prints its seed.
pub fn random() -> StdRng {
    let given = std::env::var("CAULDRON_DRILL_SEED").ok();
    let seed = given.map_or_else(rand::random, |seed| seed.parse().expect("CAULDRON_DRILL_SEED is a number"));
    println!("drill: CAULDRON_DRILL_SEED={seed} repeats this run");
    StdRng::seed_from_u64(seed)
}

/// A moment anywhere within a time.
pub fn within(random: &mut StdRng, whole: Duration) -> Duration {
    whole.mul_f64(random.random::<f64>())
}
