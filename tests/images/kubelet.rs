//! A kubelet's probes, with the numbers that the chart renders: podman's own `kube play` runs none.
//!
//! ```text
//!   startup ──green──▶ liveness and readiness, each by its own period
//!      │ failureThreshold times red        │ liveness: failureThreshold times red
//!      ▼                                   ▼
//!   restart (counted, not done)         restart (counted, not done)
//! ```

use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use serde_json::Value;

use crate::support::http;

/// One probe as the pod has it.
#[derive(Clone, Debug)]
struct Probe {
    path: String,
    initial_delay: Duration,
    period: Duration,
    timeout: Duration,
    failures: u64,
    successes: u64,
}

impl Probe {
    fn of(container: &Value, name: &str) -> Self {
        let probe = &container[name];
        let number = |key: &str| probe[key].as_u64().unwrap_or_else(|| panic!("{name} has no {key}"));
        Self {
            path: probe["httpGet"]["path"].as_str().expect("a path").to_owned(),
            initial_delay: Duration::from_secs(number("initialDelaySeconds")),
            period: Duration::from_secs(number("periodSeconds")),
            timeout: Duration::from_secs(number("timeoutSeconds")),
            failures: number("failureThreshold"),
            successes: number("successThreshold"),
        }
    }

    fn is_green(&self, address: SocketAddr) -> bool {
        let answer = http::get_at(address, "kubelet", &self.path, self.timeout);
        // A kubelet takes every status from 200 to 399.
        answer.is_some_and(|answer| (200..400).contains(&answer.status))
    }
}

/// What the probes of one container came to so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub started: bool,
    pub ready: bool,
    /// How often it was ready and then not.
    pub unready: usize,
    /// Restarts that a real kubelet would have done.
    pub restarts: usize,
    /// The longest row of red liveness probes.
    pub longest_red: u64,
}

/// Probes one container until dropped.
pub struct Kubelet {
    seen: Arc<Mutex<Seen>>,
    /// Closed, it ends every probe.
    stops: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Kubelet {
    /// `address` is the health port's.
    pub fn start(container: &Value, address: SocketAddr) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut kubelet = Self { seen, stops: Vec::new(), threads: Vec::new() };
        let (mut startup, mut liveness, mut readiness) = (0, 0, (0, 0));
        let probe = Probe::of(container, "startupProbe");
        let limit = probe.failures;
        kubelet.every(probe, address, move |green, seen| {
            startup = if green { 0 } else { startup + 1 };
            seen.started |= green;
            seen.restarts += usize::from(startup == limit);
            // Once green it is asked no more.
            !green
        });
        let probe = Probe::of(container, "livenessProbe");
        let limit = probe.failures;
        kubelet.every(probe, address, move |green, seen| {
            if seen.started {
                liveness = if green { 0 } else { liveness + 1 };
                seen.longest_red = seen.longest_red.max(liveness);
                seen.restarts += usize::from(liveness == limit);
            }
            true
        });
        let probe = Probe::of(container, "readinessProbe");
        let limits = (probe.successes, probe.failures);
        kubelet.every(probe, address, move |green, seen| {
            readiness = if green { (readiness.0 + 1, 0) } else { (0, readiness.1 + 1) };
            if seen.started && readiness.0 >= limits.0 {
                seen.ready = true;
            } else if seen.ready && readiness.1 >= limits.1 {
                seen.ready = false;
                seen.unready += 1;
            }
            true
        });
        kubelet
    }

    fn every(
        &mut self,
        probe: Probe,
        address: SocketAddr,
        mut judge: impl FnMut(bool, &mut Seen) -> bool + Send + 'static,
    ) {
        let (stop, stopped) = channel::<()>();
        let seen = Arc::clone(&self.seen);
        self.stops.push(stop);
        self.threads.push(spawn(move || {
            let mut wait = probe.initial_delay;
            // A kubelet asks by the clock: this is its period, no sleep.
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let green = probe.is_green(address);
                if !judge(green, &mut seen.lock().expect("the lock")) {
                    return;
                }
                wait = probe.period;
            }
        }));
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().expect("the lock").clone()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.stops.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The control: where nobody answers, restarts are counted.
#[test]
fn a_kubelet_would_restart_what_does_not_answer() {
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let probe = |path: &str| {
        serde_json::json!({"httpGet": {"path": path}, "initialDelaySeconds": 0, "periodSeconds": 1,
            "timeoutSeconds": 1, "failureThreshold": 2, "successThreshold": 1})
    };
    let container = serde_json::json!({"startupProbe": probe("/startupz"), "livenessProbe": probe("/livez"),
        "readinessProbe": probe("/readyz")});
    let kubelet = Kubelet::start(&container, closed);
    crate::support::wait::eventually(Duration::from_secs(10), "a restart", || {
        (kubelet.seen().restarts > 0).then_some(())
    });
    assert!(!kubelet.seen().ready);
}
