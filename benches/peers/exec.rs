//! The time from exec to the child's first instruction: the time that an init adds to the start of a program.

use super::child::Then;
use super::clock::ms_between;
use super::events::Events;
use super::lab::Lab;
use super::report::{Row, Target};
use super::samples::{Subject, take_turns};

const ROUNDS: usize = 200;

pub fn measure(lab: &Lab) -> Vec<Row> {
    let subjects =
        lab.inits().map(|(name, init)| Subject::new(name, move || first_instruction_ms(lab, &init)));
    let samples = take_turns(ROUNDS, subjects.into());
    vec![Row::new("exec → the child's first instruction", "ms", samples, Target::AtMost(1.0))]
}

fn first_instruction_ms(lab: &Lab, init: &[&str]) -> f64 {
    let mut events = Events::new();
    let mut started = lab.start(&mut events.order(Then::End).command(init));
    let up = events.expect("up");
    started.end_ns();
    ms_between(started.at_ns, up.at_ns)
}
