//! The time from TERM to the exit of an init with a cooperative child: the time that an init adds to a stop.

use super::child::Then;
use super::events::Events;
use super::lab::{DEADLINE, Lab};
use super::report::{Row, Target};
use super::samples::{Subject, take_turns};

const ROUNDS: usize = 100;

pub fn measure(lab: &Lab) -> Vec<Row> {
    let subjects = lab.inits().map(|(name, init)| Subject::new(name, move || stop_ms(lab, &init)));
    let samples = take_turns(ROUNDS, subjects.into());
    vec![Row::new("TERM → exit, cooperative child", "ms", samples, Target::AtMost(1.5))]
}

fn stop_ms(lab: &Lab, init: &[&str]) -> f64 {
    let mut events = Events::new();
    let mut started = lab.start(&mut events.order(Then::Wait).command(init));
    events.expect("up");
    started
        .term_to_exit_ms(DEADLINE)
        .unwrap_or_else(|| panic!("{init:?} has not stopped within {DEADLINE:?}"))
}
