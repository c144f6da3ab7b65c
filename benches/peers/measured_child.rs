//! The child that every measured init starts: it reports the time of its start, then ends, waits or crashes.
//!
//! It is a separate program, because the benchmark itself is large: a quarter of a millisecond passes from its exec to
//! its `main`. It reports to a fifo that it opens by path, because a good init closes inherited descriptors.

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};

#[path = "clock.rs"]
#[allow(dead_code)] // The benchmark compares times; this program only reports them.
mod clock;

fn main() -> ExitCode {
    let born_ns = clock::now_ns();
    let mut arguments = std::env::args_os().skip(1);
    let (Some(fifo), Some(then)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: measured-child FIFO end|wait (started by `make bench`)");
        return ExitCode::FAILURE;
    };
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGUSR1);
    signals.thread_block().expect("signals are blocked");
    let mut fifo = File::options().write(true).open(fifo).expect("the bench reads");
    let mut tell = |what: &str, at_ns: u64| {
        let line = format!("{what} {} {at_ns}\n", std::process::id());
        fifo.write_all(line.as_bytes()).expect("the bench reads");
    };
    tell("up", born_ns);
    if then == "end" {
        return ExitCode::SUCCESS;
    }
    match signals.wait().expect("a signal") {
        Signal::SIGUSR1 => {
            tell("dying", clock::now_ns());
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
