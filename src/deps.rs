//! Waits until PostgreSQL and all Redis servers work, concurrently.
//!
//! ```text
//!   watch (postgres) ──┐
//!   watch (redis_…)  ──┼── updates ──▶ wait: progress, deadline, TERM ──▶ Report and DepsReady
//!   watch (redis_…)  ──┘
//! ```

mod grace;
pub mod missing;
pub mod postgres;
mod progress;
mod redis;
mod report;
mod watch;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::missing::Missing;
use self::postgres::PostgresTarget;
use self::progress::{Progress, State};
use self::redis::RedisTarget;
pub use self::report::Report;
use self::watch::{Update, watch};
use crate::bench::Bench;
use crate::config::Config;
use crate::config::duration;
use crate::frappe::site_config::{self, SiteLogin};
use crate::net::Step;
use crate::outcome::{Fault, Flow, Stopped};
use crate::supervise::signals::Shutdown;

/// Proof that every dependency worked when it was probed. The bootstrap requires it.
#[derive(Clone, Copy, Debug)]
pub struct DepsReady(());

/// The time past the deadline in which a try may still report the step at which it hung.
const REPORT_TIMEOUT: Duration = Duration::from_millis(100);

/// The result of a try that succeeded.
struct Met {
    step: Step,
    warnings: Vec<String>,
}

#[derive(Clone, Debug)]
enum Target {
    Postgres(Box<PostgresTarget>),
    Redis(&'static str, RedisTarget),
}

impl Target {
    fn name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Redis(name, _) => name,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Postgres(target) => format!("{}:{}", target.config.host, target.config.port),
            Self::Redis(_, target) => target.url.to_string(),
        }
    }
}

/// The dependencies to wait for.
#[derive(Clone, Debug)]
pub struct DepsTargets {
    targets: Vec<Target>,
}

impl DepsTargets {
    /// All configured dependencies.
    ///
    /// # Errors
    /// 78 if none is configured.
    pub fn of(config: &Config) -> Result<Self, Fault> {
        Self::with(config, site_login(config))
    }

    /// All configured dependencies, without the site's login. The bootstrap tries that itself: it knows more passwords
    /// than site_config.json's, and a leader may be about to write another one.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn before_bootstrap(config: &Config) -> Result<Self, Fault> {
        Self::with(config, None)
    }

    fn with(config: &Config, site_login: Option<SiteLogin>) -> Result<Self, Fault> {
        let mut targets = Vec::new();
        if let Some(database) = &config.database {
            let target = PostgresTarget::new(database, site_login);
            targets.push(Target::Postgres(Box::new(target)));
        }
        let redis = [
            ("redis_cache", "REDIS_CACHE", &config.redis.cache),
            ("redis_queue", "REDIS_QUEUE", &config.redis.queue),
        ];
        for (name, variable, url) in redis {
            let Some(url) = url.clone() else { continue };
            let ca = config.redis.tls_ca.clone();
            let holds_jobs = variable == "REDIS_QUEUE";
            targets.push(Target::Redis(name, RedisTarget { url, ca, variable, holds_jobs }));
        }
        if targets.is_empty() {
            return Err(Fault::configuration(
                "no dependency is configured",
                "set DB_HOST, and REDIS_CACHE and REDIS_QUEUE, or mount common_site_config.json",
            ));
        }
        Ok(Self { targets })
    }
}

/// Database and login from the site's own file; None if it cannot be read.
pub fn site_login(config: &Config) -> Option<SiteLogin> {
    site_config::inspect(&Bench::new(&config.bench), config.site.as_ref()?).ok()?.login()
}

/// Waits for all dependencies; without a `timeout` indefinitely. `on_change` gets the missing ones at every change.
///
/// # Errors
/// The deadline (69), a problem that waiting cannot fix (77, 78), or a signal.
pub async fn wait_all(
    targets: &DepsTargets,
    timeout: Option<Duration>,
    shutdown: &Shutdown,
    on_change: impl Fn(Missing),
) -> Flow<DepsReady> {
    wait(targets, timeout, shutdown, on_change).await.1
}

/// Waits as [`wait_all`] does, and also returns a report on every dependency.
pub async fn wait(
    targets: &DepsTargets,
    timeout: Option<Duration>,
    shutdown: &Shutdown,
    on_change: impl Fn(Missing),
) -> (Report, Flow<DepsReady>) {
    let start = Instant::now();
    let mut dependencies: Vec<Progress> =
        targets.targets.iter().map(|target| Progress::new(target.name(), target.shown())).collect();
    let (sender, mut updates) = mpsc::channel(targets.targets.len().max(1));
    let mut watchers = JoinSet::new();
    let deadline = timeout.map(|timeout| start + timeout);
    for (index, target) in targets.targets.iter().enumerate() {
        watchers.spawn(watch(index, target.clone(), deadline, sender.clone()));
    }
    drop(sender);
    // The watchers stop at the deadline; this is for a try that makes several connections.
    let expired = async {
        match deadline {
            Some(deadline) => sleep_until(deadline + REPORT_TIMEOUT).await,
            None => std::future::pending().await,
        }
    };
    let collect = async {
        while let Some(Update { index, state, warnings }) = updates.recv().await {
            let progress = &mut dependencies[index];
            progress.update(state, start.elapsed());
            progress.warn(warnings);
            let never = matches!(progress.state, State::Never(_));
            on_change(Missing::of(&dependencies));
            if never || dependencies.iter().all(Progress::is_ready) {
                break;
            }
        }
    };
    let signal = tokio::select! {
        biased;
        signal = shutdown.stop_requested() => Some(signal),
        () = collect => None,
        () = expired => None,
    };
    let elapsed = start.elapsed();
    for progress in dependencies.iter_mut().filter(|progress| !progress.is_ready()) {
        progress.elapsed = elapsed;
    }
    let result = match signal {
        Some(signal) => Err(Stopped::Signal(signal)),
        None => conclude(&mut dependencies, timeout.unwrap_or_default()),
    };
    (Report { ok: result.is_ok(), elapsed, dependencies }, result)
}

/// The final result. At the deadline an error in its grace period becomes final: the hint for a wrong password helps
/// more than "not ready in time".
fn conclude(dependencies: &mut [Progress], timeout: Duration) -> Flow<DepsReady> {
    for progress in dependencies.iter_mut() {
        if let State::NotYet(Some(error)) = &progress.state
            && error.class() != crate::net::Class::NotYet
        {
            progress.state = State::Never(error.clone());
        }
    }
    let never = dependencies.iter().find(|progress| matches!(progress.state, State::Never(_)));
    if let Some((progress, error)) = never.and_then(|progress| Some((progress, progress.error()?))) {
        let cause = format!("{} at {}: {error}", progress.name, progress.target);
        let fault = Fault::new(error.kind.exit_code(), cause, error.hint.clone());
        return Err(Fault { refusal: error.kind.refusal(), ..fault }.into());
    }
    if dependencies.iter().all(Progress::is_ready) {
        return Ok(DepsReady(()));
    }
    let mut late = dependencies.iter().filter(|progress| !progress.is_ready());
    let hint = late.find_map(|progress| progress.error()).map(|error| error.hint.clone());
    Err(Fault::unavailable(
        format!("not ready within {}: {}", duration::show(timeout), Missing::of(dependencies)),
        hint.unwrap_or_else(|| "check that the servers run, or raise CAULDRON_WAIT_TIMEOUT".into()),
    )
    .into())
}
