//! Memory and wake-ups of an idle supervisor, including its health server.

use std::thread;
use std::time::Duration;

use super::child::Then;
use super::events::Events;
use super::first_answer::first_answer_ns;
use super::kernel_account::{memory_mb, wake_ups};
use super::lab::{DEADLINE, Lab, Site};
use super::report::{Row, Target};
use super::samples::Samples;
use super::started::Started;
use super::supervisord::Supervisord;
use super::support::http;
use super::support::wait::eventually;

/// Twice the interval of the probes that `web` sends to gunicorn, which belong to the idle state.
const WINDOW: Duration = Duration::from_secs(20);
/// The worker threads of the start end after ten seconds.
const UNTIL_IDLE: Duration = Duration::from_secs(12);

pub fn measure(lab: &Lab) -> Vec<Row> {
    let web = probed_web(lab, lab.site());
    let supervisord = Supervisord::start(lab);
    let (mut tini_events, mut dumb_events) = (Events::new(), Events::new());
    let tini = idle_init(lab, &["tini", "-s", "--"], &mut tini_events);
    let dumb_init = idle_init(lab, &["dumb-init", "--"], &mut dumb_events);
    thread::sleep(UNTIL_IDLE);
    let all =
        [("ours", &web), ("supervisord", &supervisord.process), ("tini", &tini), ("dumb-init", &dumb_init)];
    let before = all.map(|(_, process)| wake_ups(process.pid()));
    thread::sleep(WINDOW);
    let after = all.map(|(_, process)| wake_ups(process.pid()));
    let rates = all.iter().zip(before.iter().zip(after)).map(|((name, _), (before, after))| {
        Samples::new(name, vec![(after - before) as f64 / WINDOW.as_secs_f64()])
    });
    let memory = all.iter().map(|(name, process)| Samples::new(name, vec![memory_mb(process.pid())]));
    let memory_note = "a serving `web` that was probed; the supervisor without its children";
    vec![
        Row::new("idle supervisor, PSS", "MB", memory.collect(), Target::AtMost(4.0)).noted(memory_note),
        Row::new("idle supervisor, wake-ups", "1/s", rates.collect(), Target::AtMost(1.0))
            .noted(&format!("over {WINDOW:?}; ours sends its role a probe every 10 s")),
    ]
}

/// Starts `web` and queries all its probes, so that the memory that they need is included.
fn probed_web(lab: &Lab, site: &Site) -> Started {
    let mut web = lab.start(&mut lab.on_site(site, "web"));
    first_answer_ns(&mut web, site.web_port);
    let status = |path: &str| http::status(site.health_port, "localhost", path);
    eventually(DEADLINE, "/readyz answers 200", || (status("/readyz") == 200).then_some(()));
    for path in ["/livez", "/startupz", "/readyz?verbose", "/status", "/metrics", "/livez"] {
        assert_eq!(status(path), 200, "{path}");
    }
    web
}

fn idle_init(lab: &Lab, init: &[&str], events: &mut Events) -> Started {
    let started = lab.start(&mut events.order(Then::Wait).command(init));
    events.expect("up");
    started
}
