//! SIGKILL at random moments of a creation, and of the start that recovers from it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::converge::{AGAIN, converge};
use crate::drill_stage::{DrillStage, UNDISTURBED, paced};
use crate::pool::in_parallel;
use crate::scale::{dice, scale};
use crate::strike::{VICTIMS, Victim};
use crate::support::binary::LONG;
use crate::support::trace::Trace;
use crate::support::wait::{eventually, within};
use crate::table::{Life, conclude};

/// In every third life, the start that follows a kill is killed too: while it inspects, clears, creates again or
/// migrates.
const TWICE_EVERY: usize = 3;
/// A victim may have ended by its moment, in a creation that was faster than the measured one: then another moment is
/// tried, in a creation of that pace. The first may have been measured beside many other tests.
const MAX_LATE: usize = 10;

#[test]
fn killed_at_random_moments() {
    let (began, hits) = (Instant::now(), AtomicUsize::new(0));
    let wanted = scale().random_kills;
    let lives = in_parallel(
        |_| hits.load(Ordering::SeqCst) < wanted,
        |stage, case| {
            let life = life(stage, case);
            hits.fetch_add(life.hits.len(), Ordering::SeqCst);
            life
        },
    );
    conclude("killed at random moments", began.elapsed(), &lives);
}

fn life(stage: &mut DrillStage, case: usize) -> Life {
    let (mut dice, victim) = (dice(case), VICTIMS[case % VICTIMS.len()]);
    let mut pace = 1.0;
    for _ in 0..MAX_LATE {
        let trace = Trace::new();
        let mut hits = Vec::new();
        let mut outcome = Ok(());
        let kills = if (case / VICTIMS.len()) % TWICE_EVERY == TWICE_EVERY - 1 { 2 } else { 1 };
        for _ in 0..kills {
            match killed(stage, &trace, victim, (dice.random(), pace)) {
                Ok(Struck::InTime(step)) => hits.push((victim, step)),
                Ok(Struck::TooLate(took)) => pace = UNDISTURBED.spans.pace(took),
                Err(miss) => outcome = Err(miss),
            }
        }
        let outcome = outcome.and_then(|()| converge(stage, &trace, None));
        if outcome.is_err() || !hits.is_empty() {
            return Life { case: format!("case {case}"), hits, outcome };
        }
        stage.reset();
    }
    let outcome = Err(format!("the {victim:?} had ended {MAX_LATE} times by its moment"));
    Life { case: format!("case {case}"), hits: Vec::new(), outcome }
}

/// How a kill went.
enum Struck {
    /// After this step.
    InTime(String),
    /// The site was finished after this time.
    TooLate(Duration),
}

/// Kills the victim at its moment: a fraction of its lifetime, at a pace.
///
/// # Errors
/// An unexpected exit code.
fn killed(
    stage: &DrillStage,
    trace: &Trace,
    victim: Victim,
    (fraction, pace): (f64, f64),
) -> Result<Struck, String> {
    let moment = UNDISTURBED.spans.moment(victim, fraction, pace);
    let before = trace.steps().len();
    let server = stage.postgres.session("postgres");
    let mut pod = paced(stage.pod(trace)).spawn();
    let began = Instant::now();
    // This delay synchronises nothing: it is the random moment itself.
    within(moment, || pod.exit());
    let hit = eventually(LONG, "a victim, or the end", || {
        if victim.strike(&server, &pod) {
            return Some(true);
        }
        pod.exit().map(|_| false)
    });
    let took = began.elapsed();
    let steps = trace.steps();
    let step = steps.get(before..).unwrap_or_default().last().map(|reached| reached.step.clone());
    let expected = |exit: i32| match victim {
        Victim::Supervisor => exit == -9 || exit == 0,
        // After the last step, the rest succeeds in spite of the kill.
        Victim::Step | Victim::Backend => exit == 0 || AGAIN.contains(&exit),
    };
    let exit = within(LONG, || pod.exit());
    stage.server_is_up();
    // SIGKILL leaves no other code: the process had ended at that very moment, and the kill came too late.
    let hit = hit && !(victim == Victim::Supervisor && exit == Some(0));
    match exit {
        Some(exit) if expected(exit) && hit => Ok(Struck::InTime(kind(step))),
        Some(exit) if expected(exit) => Ok(Struck::TooLate(took)),
        exit => Err(format!("exit {exit:?} after its {victim:?} was killed\n{}", pod.log())),
    }
}

/// Combines all DocTypes into one line of the table.
fn kind(step: Option<String>) -> String {
    match step {
        None => "before the first".to_owned(),
        Some(step) if step.starts_with("doctype:") => "doctype:…".to_owned(),
        Some(step) => step,
    }
}
