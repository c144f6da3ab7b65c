//! A run: many clients at once, and beside them an innocent one and the probes. At the end nothing is occupied.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::case::{Case, address};
use crate::deliver::deliver;
use crate::stage::{self, SITE};
use crate::support::binary::{LONG, Pod};
use crate::support::http;
use crate::support::recorder::Recorder;
use crate::support::usage::{Usage, occupied};
use crate::support::wait::within;
use crate::verdict::Verdict;

const CLIENTS: usize = 16;
const DEFAULT_SECONDS: u64 = 60;
/// After these the pools and caches have their usual size.
const WARM_UP_CASES: u32 = 500;
/// After this many the run ends.
const MAX_FAULTS: usize = 20;
const PROBE_DEADLINE: Duration = Duration::from_secs(30);
/// What a run may leave: freed memory that the allocator keeps.
const MAX_RESIDENT_GROWTH_KB: u64 = 64 * 1024;
/// The 64 MB of buffered bodies, the 32 MB of HTTP/2 responses (docs/web-port.md), and the connections themselves.
const MAX_PEAK_GROWTH_KB: u64 = 160 * 1024;
/// Connections to gunicorn that wait for their next request, and files of the process's own.
const MAX_MORE_DESCRIPTORS: usize = 80;

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// The clients' common state.
struct Run {
    seed: u64,
    port: u16,
    next: AtomicU32,
    is_over: AtomicBool,
}

impl Run {
    /// Delivers cases up to the number `end`, or until the run is over.
    fn client(&self, end: u32) {
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                return;
            }
            // A reset by the server is an answer.
            let _ = deliver(&Case::new(self.seed, number), address(number), self.port);
        }
    }

    fn clients(&self, end: u32) {
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| self.client(end));
            }
        });
    }

    /// An innocent client: each of its requests is answered. Returns their number.
    fn innocent(&self) -> usize {
        let mut answered = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            let answer = match answered % 2 {
                0 => http::get(self.port, SITE, "/api/method/ping"),
                _ => http::post(self.port, SITE, "/api/method/ping", &[("a", "b")]),
            };
            let answer = answer.expect("an answer for the innocent client");
            assert_eq!(answer.status, 200, "{}", answer.head);
            answered += 1;
            thread::sleep(Duration::from_millis(20));
        }
        answered
    }

    /// Returns the longest time of a `/livez` that was answered.
    fn probes(&self, health: u16) -> Duration {
        let mut longest = Duration::ZERO;
        while !self.is_over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let to = SocketAddr::from((Ipv4Addr::LOCALHOST, health));
            let answer = http::get_at(to, "localhost", "/livez", PROBE_DEADLINE);
            assert_eq!(answer.expect("an answer of /livez").status, 200);
            longest = longest.max(begun.elapsed());
            thread::sleep(Duration::from_millis(50));
        }
        longest
    }

    /// Judges what gunicorn receives until the run is over, which some faults end early. Returns the faults.
    fn judge(&self, recorder: &mut Recorder, verdict: &mut Verdict) -> Vec<String> {
        let mut faults = Vec::new();
        loop {
            let is_over = self.is_over.load(Ordering::Relaxed);
            while let Some(record) = recorder.next() {
                if let Err(fault) = verdict.judge(&record) {
                    faults.push(format!("{fault}: {record}"));
                }
            }
            if is_over {
                return faults;
            }
            self.is_over.fetch_or(faults.len() >= MAX_FAULTS, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn no_client_smuggles_crashes_or_leaks() {
    let seed = variable("CAULDRON_FUZZ_SEED").unwrap_or_else(rand::random);
    println!("fuzz: CAULDRON_FUZZ_SEED={seed} repeats this run");
    let stage = stage::new();
    let mut recorder = Recorder::install(&stage.bench);
    let pod = stage.serving();
    let mut verdict = Verdict::new(seed);
    let run = Run { seed, port: stage.port, next: AtomicU32::new(0), is_over: AtomicBool::new(false) };
    if let Some(number) = variable("CAULDRON_FUZZ_CASE") {
        return one(&run, number as u32, &mut recorder, &mut verdict);
    }
    run.clients(WARM_UP_CASES);
    let before = at_rest(&pod);
    let seconds = variable("CAULDRON_FUZZ_SECONDS").unwrap_or(DEFAULT_SECONDS);
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut faults, answered, longest) = thread::scope(|scope| {
        let innocent = scope.spawn(|| run.innocent());
        let probes = scope.spawn(|| run.probes(pod.health_port()));
        let judge = scope.spawn(|| run.judge(&mut recorder, &mut verdict));
        scope.spawn(|| run.clients(u32::MAX));
        while Instant::now() < end && !run.is_over.load(Ordering::Relaxed) {
            if innocent.is_finished() || probes.is_finished() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        run.is_over.store(true, Ordering::Relaxed);
        (judge.join().expect("a judge"), innocent.join().expect("a client"), probes.join().expect("probes"))
    });
    let cases = run.next.load(Ordering::Relaxed);
    let after = at_rest(&pod);
    println!(
        "fuzz: {cases} connections, {} requests at gunicorn, {answered} innocent requests answered",
        verdict.requests
    );
    println!("fuzz: /livez within {longest:?}; before {before:?}; after {after:?}");
    faults.extend(run.judge(&mut recorder, &mut verdict));
    assert!(faults.is_empty(), "seed {seed}:\n{}", faults.join("\n"));
    assert!(verdict.requests > cases as usize / 20, "the cases are too odd to reach gunicorn");
    assert!(after.descriptors <= before.descriptors + MAX_MORE_DESCRIPTORS);
    assert!(after.resident_kb <= before.resident_kb + MAX_RESIDENT_GROWTH_KB);
    assert!(after.highest_resident_kb <= before.highest_resident_kb + MAX_PEAK_GROWTH_KB);
    assert_eq!(stage.get("/api/method/ping"), 200);
    assert!(!pod.log().contains("panicked at"), "{}", pod.log());
    pod.signal(Signal::SIGTERM);
    pod.end_within(LONG).exits(0);
}

/// Waits until the program serves nobody, and returns what it occupies.
fn at_rest(pod: &Pod) -> Usage {
    let nothing = || occupied(pod).is_empty().then_some(());
    assert!(within(LONG, nothing).is_some(), "still occupied: {:?}", occupied(pod));
    Usage::of(pod)
}

/// Shows one case: what is sent, what may be received, what is received, and the answer.
fn one(run: &Run, number: u32, recorder: &mut Recorder, verdict: &mut Verdict) {
    let case = Case::new(run.seed, number);
    println!("{}\n{:?}, {:?}, cuts {:?}", case.bytes.escape_ascii(), case.end, case.expected, case.cuts);
    let answer = deliver(&case, address(number), run.port);
    println!("answer: {:?}", answer.map(|bytes| bytes.escape_ascii().to_string()));
    while let Some(record) = recorder.next() {
        println!("gunicorn received {record}: {:?}", verdict.judge(&record));
    }
}
