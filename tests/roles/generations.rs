//! Tests that run on each generation of Frappe, and so of RQ.

use crate::stage::RolesStage;
use crate::support::bench::Bench;
use crate::support::generation::Generation;
use crate::support::skip::skipped;

/// Declares tests of the file's functions, each of which takes a stage: `frappe_15::NAME` and `frappe_16::NAME`.
macro_rules! on_each_generation {
    (@$module:ident, $generation:ident: $($test:ident),+) => {
        mod $module {
            $(#[test]
            fn $test() {
                let generation = $crate::support::generation::Generation::$generation;
                $crate::generations::run(generation, stringify!($test), super::$test);
            })+
        }
    };
    ($($test:ident),+ $(,)?) => {
        $crate::generations::on_each_generation!(@frappe_15, Frappe15: $($test),+);
        $crate::generations::on_each_generation!(@frappe_16, Frappe16: $($test),+);
    };
}
pub(crate) use on_each_generation;

pub fn run(generation: Generation, name: &str, test: fn(RolesStage)) {
    match RolesStage::of(generation) {
        Some(stage) => test(stage),
        None => skipped(name, "the bench under test is of the other generation"),
    }
}

/// Otherwise the tests of a generation prove nothing about it.
#[test]
fn each_generation_has_its_own_packages() {
    let packages = |generation| {
        let python = Bench::sample_of(generation)
            .program("env/bin/python")
            .args([
                "-c",
                "import frappe, redis, rq; print(frappe.__version__, rq.VERSION, redis.__version__)",
            ])
            .output()
            .expect("python runs");
        String::from_utf8_lossy(&python.stdout).trim().to_owned()
    };
    assert_eq!(packages(Generation::Frappe15), "15.55.1 1.15.1 4.5.5");
    assert_eq!(packages(Generation::Frappe16), "16.32.0 2.6.1 7.1.0");
}
