//! A stage that is drilled repeatedly, with canaries beside the site, and an undisturbed creation to compare with.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::canaries::Canaries;
use crate::portrait::Portrait;
use crate::stage::{self, DATABASE};
use crate::strike::{VICTIMS, Victim};
use crate::support::bench::Bench;
use crate::support::binary::{Binary, LONG};
use crate::support::postgres::{Options, Postgres};
use crate::support::session::Session;
use crate::support::stage::Stage;
use crate::support::trace::Trace;
use crate::support::wait::eventually;

pub struct DrillStage {
    stage: Stage,
    pub canaries: Canaries,
}

impl Deref for DrillStage {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for DrillStage {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

/// An undisturbed creation: its result, and the lifetime of each victim in it.
pub struct Undisturbed {
    pub whole: Portrait,
    pub spans: Spans,
}

/// Created once, on its own stage.
pub static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| {
    let mut stage = DrillStage::new();
    stage.created();
    stage.reset();
    // The second creation has warm caches, like all that follow.
    let spans = Spans::measure(&stage);
    Undisturbed { whole: Portrait::of(&stage), spans }
});

/// Adds a pause after each table, so that tables take most of a creation, as on a real bench.
pub fn paced(binary: Binary) -> Binary {
    binary.set("SAMPLE_BENCH_PACE_MS", 25)
}

/// The period in which each victim exists, in an undisturbed creation, and how long that took.
pub struct Spans {
    of: BTreeMap<Victim, (Duration, Duration)>,
    whole: Duration,
}

impl DrillStage {
    /// Commits are synchronous, unlike in other tests: data must survive the crash of a killed backend.
    pub fn new() -> Self {
        Self::on(Postgres::start_with(|_| Options::default().setting("synchronous_commit = on")))
    }

    pub fn on(postgres: Postgres) -> Self {
        let stage = stage::on(postgres);
        let canaries = Canaries::set(&stage);
        Canaries::set_files(&stage);
        Self { stage, canaries }
    }

    /// Deletes site, role and database, and uses a new volume.
    pub fn reset(&mut self) {
        self.end_strays();
        // The server may still be recovering from a crash.
        eventually(LONG, "the site's database is dropped", || {
            let session = Session::open(&self.stage.postgres.config("postgres")).ok()?;
            session.query(&format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")).ok()?;
            session.query(&format!("DROP ROLE IF EXISTS {DATABASE}")).ok()
        });
        self.stage.bench = Bench::sample();
        Canaries::set_files(&self.stage);
    }

    /// Kills steps that outlived their supervisor.
    fn end_strays(&self) {
        let bench = self.stage.bench.path().display().to_string();
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(&bench) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    /// Returns the manifest of the pod, the same for every start.
    pub fn pod(&self, trace: &Trace) -> Binary {
        let (name, path) = trace.environment();
        self.stage.leader().set(name, path.display())
    }

    /// Waits until the server has recovered from a crash.
    pub fn server_is_up(&self) -> Session {
        eventually(LONG, "PostgreSQL is up", || {
            let session = Session::open(&self.stage.postgres.config("postgres")).ok()?;
            session.query("SELECT 1").is_ok().then_some(session)
        })
    }

    /// Checks that the site is complete, and that nothing of others was changed.
    ///
    /// # Errors
    /// What the site lacks, or the canary that changed.
    pub fn check(&self) -> Result<(), String> {
        self.canaries.check(&self.stage)?;
        UNDISTURBED.whole.check(&Portrait::of(&self.stage))
    }
}

impl Drop for DrillStage {
    fn drop(&mut self) {
        self.end_strays();
    }
}

impl Spans {
    fn measure(stage: &Stage) -> Self {
        let server = stage.postgres.session("postgres");
        let began = Instant::now();
        let mut pod = paced(stage.leader()).spawn();
        let mut of = BTreeMap::new();
        let exit = eventually(LONG, "an undisturbed creation", || {
            for victim in VICTIMS {
                if victim.exists(&server, &pod) {
                    let now = began.elapsed();
                    of.entry(victim).or_insert((now, now)).1 = now;
                }
            }
            pod.exit()
        });
        assert_eq!(exit, 0, "{}", pod.log());
        Self { of, whole: began.elapsed() }
    }

    /// Returns the moment at a fraction of the victim's lifetime, in a creation that takes `pace` times as long as the
    /// measured one.
    pub fn moment(&self, victim: Victim, fraction: f64, pace: f64) -> Duration {
        let (from, to) = self.of[&victim];
        (from + (to - from).mul_f64(fraction)).mul_f64(pace)
    }

    /// The pace of a creation that took this long.
    pub fn pace(&self, took: Duration) -> f64 {
        took.div_duration_f64(self.whole)
    }
}
