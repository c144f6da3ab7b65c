//! Eight pods of two versions, started in several orders: exactly one migrates, once, and all of them serve.

use rand::SeedableRng;
use rand::seq::SliceRandom;

use crate::kills::is_full;
use crate::place::{LONG, Place, Web};
use crate::support::wait::eventually;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Old,
    New,
}
use Version::{New, Old};

const ALTERNATING: [Version; 8] = [Old, New, Old, New, Old, New, Old, New];

struct Pods<'a> {
    place: &'a Place,
    started: Vec<(Version, Web)>,
}

impl<'a> Pods<'a> {
    fn of(place: &'a Place) -> Self {
        Self { place, started: Vec::new() }
    }

    /// Starts the pods one after the other without waiting for any of them.
    fn start(&mut self, versions: &[Version]) {
        for version in versions {
            let bench = if *version == Old { &self.place.old } else { &self.place.new };
            self.started.push((*version, self.place.start_web(bench)));
        }
    }

    #[track_caller]
    fn are_ready(&mut self) {
        for (version, web) in &mut self.started {
            web.pod.answers("/readyz", 200);
            web.comes_to(200);
            let relation = if *version == Old { "older" } else { "equal" };
            let what = format!("a pod of the {version:?} version is {relation}: {}", web.pod.log());
            eventually(LONG, &what, || (web.status()["fingerprint"]["relation"] == relation).then_some(()));
        }
    }

    /// Checks that all pods serve, that one of them migrated once, and that all stop.
    #[track_caller]
    fn end_well(mut self) {
        self.are_ready();
        self.place.is_migrated();
        let migrated: Vec<Version> = self
            .started
            .iter()
            .filter(|(_, web)| web.pod.log().contains("migration.started"))
            .map(|(version, _)| *version)
            .collect();
        assert_eq!(migrated, [New], "one attempt, by one pod");
        for (_, web) in self.started {
            web.stop();
        }
    }
}

#[test]
fn old_pods_first() {
    let place = Place::with_release();
    let mut pods = Pods::of(&place);
    pods.start(&[Old; 4]);
    for (_, web) in &mut pods.started {
        web.pod.answers("/readyz", 200);
    }
    pods.start(&[New; 4]);
    pods.end_well();
}

#[test]
fn new_pods_first() {
    let place = Place::with_release();
    let mut pods = Pods::of(&place);
    pods.start(&[New; 4]);
    pods.are_ready();
    pods.start(&[Old; 4]);
    pods.end_well();
}

#[test]
fn alternating() {
    let place = Place::with_release();
    let mut pods = Pods::of(&place);
    pods.start(&ALTERNATING);
    pods.end_well();
}

/// New pods that may not lead wait for one that may, which starts last.
#[test]
fn the_new_leader_last() {
    let place = Place::with_release();
    let mut pods = Pods::of(&place);
    for _ in 0..3 {
        let web = place.start_web_with(&place.new, |binary| binary.set("CAULDRON_BOOTSTRAP", "follow"));
        pods.started.push((New, web));
    }
    for (_, web) in &mut pods.started {
        web.pod.says("this code is newer than the database");
        web.pod.answers("/readyz", 503);
    }
    pods.start(&[Old; 4]);
    for (_, web) in &mut pods.started[3..] {
        web.pod.answers("/readyz", 200);
    }
    assert_eq!(place.gate()["stage"], "open", "no leader of the new version yet");
    pods.start(&[New]);
    pods.end_well();
}

/// `make drill` runs ten random orders; CAULDRON_DRILL_SEED repeats one.
#[test]
fn in_random_order() {
    let seed = std::env::var("CAULDRON_DRILL_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    let mut dice = rand::rngs::StdRng::seed_from_u64(seed);
    for round in 0..if is_full() { 10 } else { 1 } {
        let mut order = ALTERNATING;
        order.shuffle(&mut dice);
        println!("drill: CAULDRON_DRILL_SEED={seed}, round {round}: {order:?}");
        let place = Place::with_release();
        let mut pods = Pods::of(&place);
        pods.start(&order);
        pods.end_well();
    }
}
