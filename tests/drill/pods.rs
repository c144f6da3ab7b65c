//! Eight pods at once, several rounds: one creates the site, and all succeed.

use std::time::Instant;

use nix::sys::signal::Signal;

use crate::drill_stage::DrillStage;
use crate::pool::in_parallel;
use crate::scale::scale;
use crate::stage::SITE;
use crate::support::binary::{LONG, Pod};
use crate::support::trace::Trace;
use crate::support::wait::within;
use crate::support::{http, port};
use crate::table::none_missed;

const JOBS: usize = 6;
const SERVING: usize = 2;

#[test]
fn eight_pods_at_once() {
    let (began, rounds) = (Instant::now(), scale().rounds_of_pods);
    let outcomes = in_parallel(|round| round < rounds, |stage, _| eight_pods(stage));
    let misses: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    println!(
        "\ndrill: eight pods at once: {} of {rounds} rounds, {:.0} s",
        rounds - misses.len(),
        began.elapsed().as_secs_f64()
    );
    none_missed("eight pods at once", rounds, &misses);
}

/// Runs six Jobs that end and two web pods that serve.
///
/// # Errors
/// The failure.
pub fn eight_pods(stage: &DrillStage) -> Result<(), String> {
    let trace = Trace::new();
    let mut jobs: Vec<Pod> = (0..JOBS).map(|_| stage.pod(&trace).spawn()).collect();
    let mut serving: Vec<(Pod, u16)> = (0..SERVING)
        .map(|_| {
            let port = port::free();
            let web = stage.pod(&trace).with_command("web").set("GUNICORN_WORKERS", "1");
            (web.set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}")).start(), port)
        })
        .collect();
    for job in &mut jobs {
        let exit = within(LONG, || job.exit());
        if exit != Some(0) {
            return Err(format!("a Job: exit {exit:?}\n{}", job.log()));
        }
    }
    for (pod, port) in &mut serving {
        let status = within(LONG, || match (pod.probe("/readyz"), pod.exit()) {
            (200, _) => Some(http::status(*port, SITE, "/api/method/ping")),
            (_, Some(_)) => Some(0),
            _ => None,
        });
        if status != Some(200) {
            return Err(format!("a web pod: ping {status:?}\n{}", pod.log()));
        }
        pod.signal(Signal::SIGTERM);
        let exit = within(LONG, || pod.exit());
        if exit != Some(0) {
            return Err(format!("a web pod: exit {exit:?}\n{}", pod.log()));
        }
    }
    let creations = trace.count("folders");
    if creations != 1 {
        return Err(format!("{creations} creations"));
    }
    if !trace.overlaps().is_empty() {
        return Err(format!("two at work: {:?}", trace.overlaps()));
    }
    stage.check()
}
