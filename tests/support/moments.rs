//! How much the drills do, and at which random moments: a little in `make test`, everything in `make drill`.

use std::sync::OnceLock;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// True in `make drill`.
pub fn is_drill() -> bool {
    match std::env::var("CAULDRON_DRILL").as_deref() {
        Ok("full") => true,
        Ok(other) => panic!("CAULDRON_DRILL={other}: only `full` is known"),
        Err(_) => false,
    }
}

/// The number of kills of a backup or a restore.
pub fn kills() -> u32 {
    if is_drill() { 100 } else { 10 }
}

/// CAULDRON_DRILL_SEED, which repeats a run, or a new seed, which is printed once.
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

/// The random generator of a test.
pub fn random() -> StdRng {
    StdRng::seed_from_u64(seed())
}

/// A moment anywhere within a time.
pub fn within(random: &mut StdRng, whole: Duration) -> Duration {
    whole.mul_f64(random.random::<f64>())
}
