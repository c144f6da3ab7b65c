//! Publishing one app without requirements, compared with the plain shallow clone of the same commit.

use std::fs;
use std::process::Command;

use super::clock::ms_between;
use super::lab::{DEADLINE, Lab};
use super::report::{Row, Target};
use super::samples::{Subject, take_turns};
use super::support::bench::Bench;
use super::support::git::Repository;

const TURNS: usize = 9;
/// About as many modules as an average app has.
const MODULES: usize = 300;

pub fn measure(lab: &Lab) -> Vec<Row> {
    let bench = Bench::under_test().unwrap_or_else(Bench::sample);
    let shop = Repository::with_app("shop");
    for index in 0..MODULES {
        shop.write(format!("shop/part_{}/module_{index}.py", index % 10), &"value = 1\n".repeat(100));
    }
    shop.commit("modules");
    let wanted = format!(r#"[{{"url": "{}", "branch": "main"}}]"#, shop.url());
    let place = bench.path().join("clone");
    let samples = take_turns(
        TURNS,
        vec![
            Subject::new("apps fetch", || {
                let _ = fs::remove_dir_all(bench.path().join(".cauldron"));
                let mut fetch = Command::new(lab.binary());
                fetch
                    .args(["apps", "fetch"])
                    .env("CAULDRON_BENCH", bench.path())
                    .env("CAULDRON_APPS", &wanted);
                fetch
                    .env("CAULDRON_RUNTIME_DIR", bench.path().join("runtime"))
                    .env("CAULDRON_HEALTH_ADDR", "off");
                elapsed_ms(lab, &mut fetch)
            }),
            Subject::new("git clone --depth 1", || {
                let _ = fs::remove_dir_all(&place);
                let mut clone = Command::new("git");
                clone.args(["clone", "--quiet", "--depth", "1", &shop.url()]).arg(&place);
                elapsed_ms(lab, &mut clone)
            }),
        ],
    );
    let note = "300 modules: fetched, inspected, compiled, synced to the disk, renamed to the final path";
    vec![Row::new("publishing an app", "ms", samples, Target::AboveAtMost(2_000.0)).noted(note)]
}

pub fn elapsed_ms(lab: &Lab, command: &mut Command) -> f64 {
    let mut started = lab.start(command);
    let ended_ns = started.end_ns_within(DEADLINE);
    ms_between(started.at_ns, ended_ns)
}
