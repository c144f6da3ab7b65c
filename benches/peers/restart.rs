//! The time from a crash to the next child's first instruction, compared with supervisord.
//!
//! We start a new supervisor for each round, because only its first restart has no back-off; the target is for that
//! restart.

use super::child::Then;
use super::clock::ms_between;
use super::events::Events;
use super::lab::{DEADLINE, Lab};
use super::report::{Row, Target};
use super::samples::{Subject, take_turns};
use super::supervisord::Supervisord;

const ROUNDS: usize = 20;

pub fn measure(lab: &Lab) -> Vec<Row> {
    let mut theirs = Supervisord::start(lab);
    let samples = take_turns(
        ROUNDS,
        vec![
            Subject::new("ours", || our_restart_ms(lab)),
            Subject::new("supervisord", || {
                let (died_ns, up) = theirs.events.crash(theirs.up.pid);
                theirs.up = up;
                ms_between(died_ns, theirs.up.at_ns)
            }),
        ],
    );
    vec![Row::new("crash → restart", "ms", samples, Target::AtMost(1.5))]
}

fn our_restart_ms(lab: &Lab) -> f64 {
    let mut events = Events::new();
    let order = events.order(Then::Wait);
    let mut started = lab.start(&mut order.command(&lab.ours(&["run", "--restart", "--"])));
    let first = events.expect("up");
    let (died_ns, second) = events.crash(first.pid);
    started.term_to_exit_ms(DEADLINE).expect("a stop");
    ms_between(died_ns, second.at_ns)
}
