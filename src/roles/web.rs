//! The web role: gunicorn behind our own front, on a socket that nobody else reaches. It runs
//! `frappe.app:application`, never `application_with_statics()`, which serves any file of the bench
//! (docs/frappe-contract.md#static-files).

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use nix::sys::signal::Signal;

use super::stopping::GunicornHooks;
use super::{RoleContext, sizing};
use crate::backoff::Backoff;
use crate::config::duration::NO_LIMIT;
use crate::front::{Front, Probe};
use crate::status::handle::{Phase, RoleProbe, StatusHandle};
use crate::supervise::relay::relay;
use crate::supervise::run_service::{End, ServicePlan, run_service};
use crate::supervise::service::Policy;
use crate::supervise::spawn::Spec;
use crate::sys::cgroup;
use crate::tick::{self, PERIOD};

const NAME: &str = "gunicorn";
const PING: &str = "/api/method/ping";
/// From TERM to KILL unless CAULDRON_GRACE says otherwise; gunicorn's own default.
const GRACE: Duration = Duration::from_secs(30);
/// A probe that takes longer would not serve a user either.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
/// Between two probes of a role that works, and of one that does not.
const PROBE_EVERY: Duration = PERIOD.saturating_mul(5);
const PROBE_FAILING_EVERY: Duration = Duration::from_secs(1);
/// Longer than the front uses an idle connection again: it never meets one that is being closed.
const KEEP_ALIVE_S: u32 = 15;
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Between two tries until the first success.
const FIRST_PROBES: Backoff = Backoff::doubling(Duration::from_millis(20), Duration::from_millis(250));

/// Serves until a stop is asked for or gunicorn cannot be kept up.
pub async fn serve(around: &RoleContext<'_>, front: &Front) -> End {
    let grace = around.pod.config.grace.unwrap_or(GRACE);
    let policy = Policy { drain: around.pod.config.drain, ..Policy::restarting(grace) };
    let plan = ServicePlan {
        // USR1 reopens logs, USR2 and WINCH are gunicorn's own upgrade dance, TTIN and TTOU are not ours.
        forward: vec![Signal::SIGHUP, Signal::SIGUSR1],
        hooks: Arc::new(GunicornHooks { front: front.clone() }),
        ..around.plan(spec(around, front, grace), policy)
    };
    around.pod.status.enter(Phase::Serving, None);
    front.open();
    tokio::spawn(around.pod.status.follow_child(plan.observer.subscribe()));
    let probing = keep_probing(front.probe(), around.site.to_string(), around.pod.status.clone());
    let probed = tokio::spawn(probing);
    let end = run_service(&around.pod.processes, plan, &around.pod.shutdown).await;
    probed.abort();
    front.close();
    if matches!(end, End::Asked(..)) && !front.is_on_hold() {
        // Whoever was waiting for a gunicorn that was not there is told so.
        let _ = tokio::time::timeout(LAST_ANSWERS, front.quiesce()).await;
    }
    end
}

fn spec(around: &RoleContext<'_>, front: &Front, grace: Duration) -> Spec {
    let gunicorn = &around.pod.config.gunicorn;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let sizing = sizing::size(cgroup::limits(), processors);
    let mut args: Vec<String> = [
        ("--bind", format!("unix:{}", front.socket().display())),
        ("--keep-alive", KEEP_ALIVE_S.to_string()),
        ("--workers", gunicorn.workers.unwrap_or(sizing.workers).to_string()),
        ("--threads", gunicorn.threads.unwrap_or(sizing.threads).to_string()),
        ("--worker-class", "gthread".into()),
        ("--timeout", silent_s(gunicorn.timeout).to_string()),
        ("--graceful-timeout", grace.as_secs().max(1).to_string()),
    ]
    .into_iter()
    .flat_map(|(option, value)| [option.to_string(), value])
    .collect();
    // gunicorn's heartbeat files on a disk stall workers when the disk does.
    if nix::unistd::access("/dev/shm", nix::unistd::AccessFlags::W_OK).is_ok() {
        args.extend(["--worker-tmp-dir".into(), "/dev/shm".into()]);
    }
    args.push("frappe.app:application".into());
    let mut environment = around.environment("cauldron/web");
    if around.bootstrapped.accepts_settings && gunicorn.timeout != NO_LIMIT {
        environment.set("PGOPTIONS", idle_in_transaction(gunicorn.timeout));
    }
    Spec {
        args: args.into_iter().map(Into::into).collect(),
        env: environment.into_map(),
        cwd: Some(around.sites()),
        output: relay(around.pod.config.child_logs, NAME),
        // Quickly: its requests came through us, and nobody is left to wake its sleepers.
        dies_with_us: Some(Signal::SIGINT),
        ..Spec::new(NAME, around.pod.bench.gunicorn())
    }
}

/// gunicorn's own 0 is no limit; half a second is no 0.
fn silent_s(timeout: Duration) -> u64 {
    if timeout == NO_LIMIT { 0 } else { timeout.as_secs().max(1) }
}

/// A request that fails leaves a session idle in transaction, and migrate waits for it for ever
/// (docs/frappe-contract.md#leaked-transaction). No request outlives gunicorn's timeout, so nor may its
/// transaction.
fn idle_in_transaction(timeout: Duration) -> String {
    format!("-c idle_in_transaction_session_timeout={}", (timeout + Duration::from_secs(30)).as_millis())
}

/// Asks through the front, as every request comes: gunicorn that works behind a front that does not is of no use.
async fn keep_probing(probe: Probe, site: String, status: StatusHandle) {
    let started = Instant::now();
    let mut seen_working = false;
    let mut first_probes = FIRST_PROBES.delays();
    loop {
        let asked = Instant::now();
        let problem = match probe.get(&site, PING, PROBE_DEADLINE).await {
            Ok(StatusCode::OK) => None,
            Ok(status) => Some(format!("{PING} answered {}", status.as_u16())),
            Err(reason) => Some(format!("{PING}: {reason}")),
        };
        let works = problem.is_none();
        let seen = RoleProbe { latency: asked.elapsed(), problem };
        if seen_working {
            tell_change(&status, &seen);
        }
        status.update(|status| status.role_probe = Some(seen));
        if works && !seen_working {
            seen_working = true;
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(site, elapsed_ms, "serving");
        }
        if works {
            tick::next(PROBE_EVERY).await;
            continue;
        }
        let pause = if seen_working { PROBE_FAILING_EVERY } else { first_probes.next_delay() };
        tokio::time::sleep(pause).await;
    }
}

/// One line for each change, not one for each probe.
fn tell_change(status: &StatusHandle, probe: &RoleProbe) {
    let status = status.read();
    if status.phase != Phase::Serving {
        // The front answers in the site's place then.
        return;
    }
    let before = status.role_probe;
    match (before.as_ref().map(|before| &before.problem), &probe.problem) {
        (Some(None), Some(problem)) => tracing::warn!(%problem, "the site stopped answering"),
        (Some(Some(_)), None) => tracing::info!("the site answers"),
        _ => {}
    }
}
