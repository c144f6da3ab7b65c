//! The time of a warm start of `web`, from exec to the first 200, compared with the same gunicorn without us; and the
//! time that an idle one takes to stop.

use std::thread;
use std::time::Duration;

use super::clock::ms_between;
use super::first_answer::first_answer_ns;
use super::gunicorn::Gunicorn;
use super::lab::{DEADLINE, Lab, Site};
use super::report::{Row, Target};
use super::samples::{Samples, Subject, take_turns};
use super::started::Started;

const ROUNDS: usize = 15;
/// The time after the first response in which the other workers start, until all are idle.
const UNTIL_IDLE: Duration = Duration::from_millis(700);
/// The measurement of a bare gunicorn is cut here; it sleeps through TERM for 30 s and more.
const BARE_TIMEOUT: Duration = Duration::from_secs(3);

pub fn measure(lab: &Lab) -> Vec<Row> {
    let site = lab.site();
    let bare = bare_gunicorn(lab, site);
    let mut stops = Vec::new();
    let starts = take_turns(
        ROUNDS,
        vec![
            Subject::new("ours", || {
                let mut web = lab.start(&mut lab.on_site(site, "web"));
                let start_ms = served_ms(&mut web, site);
                stops.push(idle_stop_ms(&mut web, DEADLINE).expect("a stop"));
                start_ms
            }),
            Subject::new("bare gunicorn", || served_ms(&mut lab.start(&mut bare.command()), site)),
        ],
    );
    let mut sleeper = lab.start(&mut bare.command());
    served_ms(&mut sleeper, site);
    let slept_ms = idle_stop_ms(&mut sleeper, BARE_TIMEOUT).unwrap_or(BARE_TIMEOUT.as_secs_f64() * 1e3);
    let kind = if site.bench.is_real() { "a real bench" } else { "the sample bench" };
    let stops = vec![Samples::new("ours", stops), Samples::new("bare gunicorn", vec![slept_ms])];
    vec![
        Row::new("warm web start, exec → first 200", "ms", starts, Target::RatioAtMost(1.10))
            .noted(&format!("on {kind}; both with gunicorn {}", bare.arguments())),
        Row::new("idle web container, TERM → exit", "ms", stops, Target::None)
            .noted(&format!("the bare one once, for at most {BARE_TIMEOUT:?}")),
    ]
}

/// Starts ours once to read the gunicorn command that it runs.
fn bare_gunicorn(lab: &Lab, site: &Site) -> Gunicorn {
    let mut web = lab.start(&mut lab.on_site(site, "web"));
    first_answer_ns(&mut web, site.web_port);
    let gunicorn = Gunicorn::under(web.pid(), site.web_port);
    web.term_to_exit_ms(DEADLINE).expect("a stop");
    gunicorn
}

fn served_ms(server: &mut Started, site: &Site) -> f64 {
    let answered_ns = first_answer_ns(server, site.web_port);
    ms_between(server.at_ns, answered_ns)
}

fn idle_stop_ms(server: &mut Started, patience: Duration) -> Option<f64> {
    thread::sleep(UNTIL_IDLE);
    server.term_to_exit_ms(patience)
}
