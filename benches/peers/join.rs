//! The time that a pod needs to join five apps: view, PYTHONPATH and assets, in an empty runtime folder. Compared with
//! the five clones that `bench get-app` makes in each pod before the installation.

use std::fs;
use std::process::Command;

use super::lab::Lab;
use super::publish::elapsed_ms;
use super::report::{Row, Target};
use super::samples::{Subject, take_turns};
use super::support::bench::Bench;
use super::support::git::Repository;
use super::support::made_app::{MadeApp, pin};

const TURNS: usize = 15;
const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

pub fn measure(lab: &Lab) -> Vec<Row> {
    let bench = Bench::under_test().unwrap_or_else(Bench::sample);
    let apps = NAMES.map(|name| MadeApp::new(name, "1.0.0"));
    for app in &apps {
        app.publish(&bench);
    }
    let wanted = pin(&bench, &apps.iter().collect::<Vec<_>>());
    let repositories = NAMES.map(Repository::with_app);
    let (runtime, clones) = (bench.path().join("runtime"), bench.path().join("clones"));
    let samples = take_turns(
        TURNS,
        vec![
            Subject::new("exec -- true, five apps joined", || {
                let _ = fs::remove_dir_all(&runtime);
                fs::create_dir(&runtime).expect("a runtime folder");
                let mut exec = Command::new(lab.binary());
                exec.args(["exec", "--", "true"])
                    .env("CAULDRON_BENCH", bench.path())
                    .env("SITE_NAME", "join.test")
                    .env("CAULDRON_APPS", &wanted)
                    .env("CAULDRON_RUNTIME_DIR", &runtime)
                    .env("CAULDRON_HEALTH_ADDR", "off");
                let took_ms = elapsed_ms(lab, &mut exec);
                let listed = fs::read_to_string(runtime.join("bench/sites/apps.txt")).expect("it joined");
                assert_eq!(listed.lines().count(), NAMES.len() + 1, "{listed}");
                took_ms
            }),
            Subject::new("git clone --depth 1, five times", || {
                let _ = fs::remove_dir_all(&clones);
                let clone = |repository: &Repository| {
                    let mut clone = Command::new("git");
                    let place = clones.join(repository.url().replace('/', "-"));
                    clone.args(["clone", "--quiet", "--depth", "1", &repository.url()]).arg(place);
                    elapsed_ms(lab, &mut clone)
                };
                repositories.iter().map(clone).sum()
            }),
        ],
    );
    let note = "`exec` from its start to the end of the program";
    vec![Row::new("joining five apps", "ms", samples, Target::AtMost(50.0)).noted(note)]
}
