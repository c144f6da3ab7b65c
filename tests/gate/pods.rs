//! Eight pods of two versions, started in several orders: exactly one migrates, once, and all of them serve.

use rand::seq::SliceRandom;

use crate::stage::{GateStage, LONG};
use crate::support::moments;
use crate::support::wait::eventually;
use crate::support::web::Web;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Old,
    New,
}
use Version::{New, Old};

const ALTERNATING: [Version; 8] = [Old, New, Old, New, Old, New, Old, New];

struct Pods<'a> {
    stage: &'a GateStage,
    started: Vec<(Version, Web)>,
}

impl<'a> Pods<'a> {
    fn of(stage: &'a GateStage) -> Self {
        Self { stage, started: Vec::new() }
    }

    /// Starts the pods one after the other without waiting for any of them.
    fn start(&mut self, versions: &[Version]) {
        for version in versions {
            let bench = if *version == Old { self.stage.old() } else { &self.stage.new };
            self.started.push((*version, self.stage.start_web(bench)));
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
        self.stage.is_migrated();
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
    let stage = GateStage::with_release();
    let mut pods = Pods::of(&stage);
    pods.start(&[Old; 4]);
    for (_, web) in &mut pods.started {
        web.pod.answers("/readyz", 200);
    }
    pods.start(&[New; 4]);
    pods.end_well();
}

#[test]
fn new_pods_first() {
    let stage = GateStage::with_release();
    let mut pods = Pods::of(&stage);
    pods.start(&[New; 4]);
    pods.are_ready();
    pods.start(&[Old; 4]);
    pods.end_well();
}

#[test]
fn alternating() {
    let stage = GateStage::with_release();
    let mut pods = Pods::of(&stage);
    pods.start(&ALTERNATING);
    pods.end_well();
}

/// New pods that may not lead wait for one that may, which starts last.
#[test]
fn the_new_leader_last() {
    let stage = GateStage::with_release();
    let mut pods = Pods::of(&stage);
    for _ in 0..3 {
        let web = Web::start(stage.web_on(&stage.new).set("CAULDRON_BOOTSTRAP", "follow"));
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
    assert_eq!(stage.gate()["stage"], "open", "no leader of the new version yet");
    pods.start(&[New]);
    pods.end_well();
}

/// `make drill` runs ten random orders; CAULDRON_DRILL_SEED repeats one.
#[test]
fn in_random_order() {
    let mut dice = moments::random();
    for round in 0..if moments::is_drill() { 10 } else { 1 } {
        let mut order = ALTERNATING;
        order.shuffle(&mut dice);
        println!("drill: round {round}: {order:?}");
        let stage = GateStage::with_release();
        let mut pods = Pods::of(&stage);
        pods.start(&order);
        pods.end_well();
    }
}
