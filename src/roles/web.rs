//! The web role: gunicorn behind our own front, on a socket that only the front uses. It runs
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
use crate::supervise::run_service::{End, ServicePlan, run_service};
use crate::supervise::service::Policy;
use crate::supervise::spawn::Spec;
use crate::sys::cgroup;
use crate::tick::{self, PERIOD};

const NAME: &str = "gunicorn";
const PING: &str = "/api/method/ping";
/// From TERM to KILL unless CAULDRON_GRACE is set; gunicorn's own default.
const STOP_GRACE: Duration = Duration::from_secs(30);
/// A site that answers a probe more slowly does not serve users either.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two probes of a working role, and of a failing one.
const PROBE_INTERVAL: Duration = PERIOD.saturating_mul(5);
const FAILING_PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Longer than the front reuses an idle connection, so it never uses one that gunicorn is closing.
const KEEP_ALIVE_S: u32 = 15;
const QUIESCE_TIMEOUT: Duration = Duration::from_secs(1);
/// So many ends without an answered probe between them are no accident.
const FAILING_RESTARTS: u64 = 2;
/// Between two probes until the first success.
const STARTUP_PROBE_BACKOFF: Backoff =
    Backoff::doubling(Duration::from_millis(20), Duration::from_millis(250));

/// Serves until a stop is requested or gunicorn crash-loops.
pub async fn serve(context: &RoleContext<'_>, front: &Front) -> End {
    let grace = context.pod.config.grace.unwrap_or(STOP_GRACE);
    let policy = Policy { drain: context.pod.config.drain, ..Policy::restarting(grace) };
    let plan = ServicePlan {
        // USR1 reopens logs. USR2 and WINCH drive gunicorn's own upgrade; TTIN and TTOU are not handled here.
        forward: vec![Signal::SIGHUP, Signal::SIGUSR1],
        hooks: Arc::new(GunicornHooks { front: front.clone() }),
        ..context.plan(spec(context, front, grace), policy)
    };
    // In this order, so that the status page never belongs to a phase in which the site is served.
    front.open();
    context.pod.status.enter(Phase::Serving, None);
    tokio::spawn(context.pod.status.follow_child(plan.observer.subscribe()));
    let prober = keep_probing(front.probe(), context.site.to_string(), context.pod.status.clone());
    let prober = tokio::spawn(prober);
    let end = run_service(&context.pod.processes, plan, &context.pod.shutdown).await;
    prober.abort();
    if !matches!(end, End::StopRequested(..)) {
        context.pod.status.update(|status| status.web_keeps_failing = true);
    }
    front.close();
    if matches!(end, End::StopRequested(..)) && !front.is_suspended() {
        // Requests that still wait for gunicorn get an error response.
        let _ = tokio::time::timeout(QUIESCE_TIMEOUT, front.quiesce()).await;
    }
    end
}

fn spec(context: &RoleContext<'_>, front: &Front, grace: Duration) -> Spec {
    let gunicorn = &context.pod.config.gunicorn;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let sizing = sizing::size(cgroup::limits(), processors);
    let mut args: Vec<String> = [
        ("--bind", format!("unix:{}", front.socket().display())),
        ("--keep-alive", KEEP_ALIVE_S.to_string()),
        ("--workers", gunicorn.workers.unwrap_or(sizing.workers).to_string()),
        ("--threads", gunicorn.threads.unwrap_or(sizing.threads).to_string()),
        ("--worker-class", "gthread".into()),
        ("--timeout", timeout_s(gunicorn.timeout).to_string()),
        ("--graceful-timeout", grace.as_secs().max(1).to_string()),
    ]
    .into_iter()
    .flat_map(|(option, value)| [option.to_string(), value])
    .collect();
    // With gunicorn's heartbeat files on a disk, a stalled disk stalls the workers.
    if nix::unistd::access("/dev/shm", nix::unistd::AccessFlags::W_OK).is_ok() {
        args.extend(["--worker-tmp-dir".into(), "/dev/shm".into()]);
    }
    args.push("frappe.app:application".into());
    let mut environment = context.environment("cauldron/web");
    if context.bootstrapped.accepts_settings && gunicorn.timeout != NO_LIMIT {
        environment.set("PGOPTIONS", idle_in_transaction(gunicorn.timeout));
    }
    Spec {
        args: args.into_iter().map(Into::into).collect(),
        env: environment.into_map(),
        cwd: Some(context.sites()),
        output: context.output("", NAME),
        // A quick shutdown: its requests came through us, and no process is left to wake its sleeping workers. A worker
        // may deadlock in it until the arbiter kills it (docs/frappe-contract.md#deadlocked-quick-shutdown).
        parent_death_signal: Some(Signal::SIGINT),
        ..Spec::new(NAME, context.pod.bench.gunicorn())
    }
}

/// Returns gunicorn's `--timeout`: 0 means no limit, so a fraction of a second becomes 1.
fn timeout_s(timeout: Duration) -> u64 {
    if timeout == NO_LIMIT { 0 } else { timeout.as_secs().max(1) }
}

/// Returns PGOPTIONS that end idle transactions. A failed request leaves its session idle in transaction, and
/// migrate would wait for it forever (docs/frappe-contract.md#leaked-transaction). No request outlives gunicorn's
/// timeout, so its transaction must not either.
fn idle_in_transaction(timeout: Duration) -> String {
    format!("-c idle_in_transaction_session_timeout={}", (timeout + Duration::from_secs(30)).as_millis())
}

/// Probes through the front, like every request: a working gunicorn behind a failing front is useless.
async fn keep_probing(probe: Probe, site: String, status: StatusHandle) {
    let started = Instant::now();
    let mut has_worked = false;
    let mut restarts_before = 0;
    let mut startup_delays = STARTUP_PROBE_BACKOFF.delays();
    loop {
        let sent_at = Instant::now();
        let problem = match probe.get(&site, PING, PROBE_TIMEOUT).await {
            Ok(StatusCode::OK) => None,
            Ok(status) => Some(format!("{PING} answered {}", status.as_u16())),
            Err(reason) => Some(format!("{PING}: {reason}")),
        };
        let works = problem.is_none();
        let result = RoleProbe { latency: sent_at.elapsed(), problem };
        if has_worked {
            log_change(&status, &result);
        }
        status.update(|status| {
            let restarts = status.children.get(NAME).map_or(0, |child| child.restarts);
            if works {
                (restarts_before, status.web_keeps_failing) = (restarts, false);
            } else if restarts >= restarts_before + FAILING_RESTARTS {
                status.web_keeps_failing = true;
            }
            status.role_probe = Some(result);
        });
        if works && !has_worked {
            has_worked = true;
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(event = "web.serving", site, elapsed_ms, "serving");
        }
        if works {
            tick::next(PROBE_INTERVAL).await;
            continue;
        }
        let pause = if has_worked { FAILING_PROBE_INTERVAL } else { startup_delays.next_delay() };
        tokio::time::sleep(pause).await;
    }
}

/// Logs a changed result only, not every probe.
fn log_change(status: &StatusHandle, probe: &RoleProbe) {
    let status = status.read();
    if status.phase != Phase::Serving {
        // The front answers instead of the site then.
        return;
    }
    let before = status.role_probe;
    match (before.as_ref().map(|before| &before.problem), &probe.problem) {
        (Some(None), Some(problem)) => {
            tracing::warn!(event = "web.probe_failed", %problem, "the site stopped answering");
        }
        (Some(Some(_)), None) => tracing::info!(event = "web.probe_recovered", "the site answers again"),
        _ => {}
    }
}
