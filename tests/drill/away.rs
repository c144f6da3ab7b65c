//! PostgreSQL or Redis becomes unavailable in every step of a creation, and comes back.

use std::time::Instant;

use crate::converge::{AGAIN, converge};
use crate::drill_stage::DrillStage;
use crate::edges::CREATION;
use crate::pool::in_parallel;
use crate::scale::scale;
use crate::stage::held_at;
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;
use crate::support::trace::Trace;
use crate::support::wait::within;
use crate::table::none_missed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// A fast shutdown.
    Postgres,
    /// A crash.
    PostgresCrash,
    Redis,
}

const SERVERS: [Server; 3] = [Server::Postgres, Server::Redis, Server::PostgresCrash];

#[test]
fn a_server_away_and_back_in_every_step() {
    let began = Instant::now();
    let cases: Vec<(&str, Server)> = if scale().everything {
        CREATION.iter().flat_map(|step| SERVERS.map(|server| (*step, server))).collect()
    } else {
        CREATION.iter().zip(SERVERS.into_iter().cycle()).map(|(step, server)| (*step, server)).collect()
    };
    let outcomes = in_parallel(
        |case| case < cases.len(),
        |stage, case| {
            let (step, server) = cases[case];
            away_and_back(stage, step, server).map_err(|miss| format!("{server:?} at {step}: {miss}"))
        },
    );
    let misses: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    println!(
        "\ndrill: a server away and back: {} of {} cases, {:.0} s",
        cases.len() - misses.len(),
        cases.len(),
        began.elapsed().as_secs_f64()
    );
    none_missed("a server away and back", cases.len(), &misses);
}

fn away_and_back(stage: &mut DrillStage, step: &str, server: Server) -> Result<(), String> {
    let trace = Trace::new();
    let next = CREATION.iter().skip_while(|name| **name != step).nth(1).copied().unwrap_or("none");
    let barrier = Barrier::at(&format!("{step},{next}"));
    let mut pod = held_at(stage.pod(&trace), &barrier).spawn();
    let held = barrier.wait(LONG);
    match server {
        Server::Postgres => stage.postgres.stop(),
        Server::PostgresCrash => stage.postgres.kill_9(),
        Server::Redis => stage.redis.stop(),
    }
    held.release();
    // The pod continues without the server, to its end or to the next step.
    let mut at_next = None;
    let exit = within(LONG, || {
        at_next = barrier.wait_or_none(std::time::Duration::ZERO);
        pod.exit().map(Some).or(at_next.is_some().then_some(None))
    });
    // The next start begins while the server is unavailable, and waits for it.
    let waiting = exit.flatten().map(|_| stage.pod(&trace).spawn());
    match server {
        Server::Redis => stage.redis.start_again(),
        Server::Postgres | Server::PostgresCrash => stage.postgres.start_again(),
    }
    drop(at_next);
    for mut pod in [Some(pod), waiting].into_iter().flatten() {
        match within(LONG, || pod.exit()) {
            Some(exit) if exit == 0 || AGAIN.contains(&exit) => {}
            exit => return Err(format!("exit {exit:?}\n{}", pod.log())),
        }
    }
    converge(stage, &trace, None).map(drop)
}
