//! A place that is drilled again and again, with canaries beside the site; and a whole creation to compare with.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::canaries::Canaries;
use crate::place::{DATABASE, Place};
use crate::portrait::Portrait;
use crate::strike::{VICTIMS, Victim};
use crate::support::bench::Bench;
use crate::support::binary::{Binary, LONG};
use crate::support::postgres::{Options, Postgres};
use crate::support::session::Session;
use crate::support::trace::Trace;
use crate::support::wait::eventually;

pub struct Lab {
    pub place: Place,
    pub canaries: Canaries,
}

/// A creation that nobody disturbs: what comes of it, and how long who lives in it.
pub struct Undisturbed {
    pub whole: Portrait,
    pub spans: Spans,
}

/// Made once, on a place of its own.
pub static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| {
    let mut lab = Lab::new();
    lab.place.created();
    lab.reset();
    // The second one is warm, as all that follow are.
    let spans = Spans::measure(&lab.place);
    Undisturbed { whole: Portrait::of(&lab.place), spans }
});

/// With a rest after each table, so that they are most of a creation, as they are on a real bench.
pub fn paced(binary: Binary) -> Binary {
    binary.set("SAMPLE_BENCH_PACE_MS", 25)
}

/// From when to when there is each victim, in a creation that nobody disturbs.
pub struct Spans(BTreeMap<Victim, (Duration, Duration)>);

impl Lab {
    /// What a killed backend brings down must have been safe: commits are waited for here, unlike in other tests.
    pub fn new() -> Self {
        Self::on(Postgres::start_with(|_| Options::default().setting("synchronous_commit = on")))
    }

    pub fn on(postgres: Postgres) -> Self {
        let place = Place::on(postgres);
        let canaries = Canaries::set(&place);
        Canaries::set_files(&place);
        Self { place, canaries }
    }

    /// No site, no role, no database, a new volume.
    pub fn reset(&mut self) {
        self.end_strays();
        // A crash of a moment ago may still be recovered from.
        eventually(LONG, "the site's database is gone", || {
            let session = Session::open(&self.place.postgres.config("postgres")).ok()?;
            session.query(&format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")).ok()?;
            session.query(&format!("DROP ROLE IF EXISTS {DATABASE}")).ok()
        });
        self.place.bench = Bench::sample();
        Canaries::set_files(&self.place);
    }

    /// Steps that outlived their supervisor.
    fn end_strays(&self) {
        let bench = self.place.bench.path().display().to_string();
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(&bench) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    /// The manifest of the pod, the same at every start.
    pub fn pod(&self, trace: &Trace) -> Binary {
        let (name, path) = trace.environment();
        self.place.leader().set(name, path.display())
    }

    /// Waits out the recovery from a crash of a moment ago.
    pub fn server_is_up(&self) -> Session {
        eventually(LONG, "PostgreSQL is up", || {
            let session = Session::open(&self.place.postgres.config("postgres")).ok()?;
            session.query("SELECT 1").is_ok().then_some(session)
        })
    }

    /// # Errors
    /// What the site lacks, or what of somebody's was touched.
    pub fn check(&self) -> Result<(), String> {
        self.canaries.check(&self.place)?;
        UNDISTURBED.whole.check(&Portrait::of(&self.place))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.end_strays();
    }
}

impl Spans {
    fn measure(place: &Place) -> Self {
        let server = place.postgres.session("postgres");
        let began = Instant::now();
        let mut pod = paced(place.leader()).spawn();
        let mut spans = BTreeMap::new();
        let exit = eventually(LONG, "an undisturbed creation", || {
            for victim in VICTIMS {
                if victim.is_there(&server, &pod) {
                    let now = began.elapsed();
                    spans.entry(victim).or_insert((now, now)).1 = now;
                }
            }
            pod.exit()
        });
        assert_eq!(exit, 0, "{}", pod.log());
        Self(spans)
    }

    /// The moment at a fraction of the victim's life.
    pub fn moment(&self, victim: Victim, fraction: f64) -> Duration {
        let (from, to) = self.0[&victim];
        from + (to - from).mul_f64(fraction)
    }
}
