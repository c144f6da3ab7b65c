//! The web role: gunicorn behind our own front, on a socket that nobody else reaches. It runs
//! `frappe.app:application`, never `application_with_statics()`, which serves any file of the bench
//! (FRAPPE.md).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::sync::watch;

use super::{sizing, stopping};
use crate::bootstrap::Bootstrapped;
use crate::config::Config;
use crate::config::database::DatabaseConfig;
use crate::frappe::bench::Bench;
use crate::frappe::environment::ChildEnvironment;
use crate::front::Front;
use crate::health::account::{Board, Phase, RoleProbe};
use crate::health::probe;
use crate::supervise::process::Processes;
use crate::supervise::relay::relay;
use crate::supervise::run_service::{End, ServicePlan, ServiceStatus, run_service};
use crate::supervise::service::Policy;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::Spec;
use crate::sys::{self, cgroup};

const NAME: &str = "gunicorn";
/// From TERM to KILL unless CAULDRON_GRACE says otherwise; gunicorn's own default.
const GRACE: Duration = Duration::from_secs(30);
/// A probe that takes longer would not serve a user either.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
/// Between two probes of a role that works, and of one that does not.
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBE_FAILING_EVERY: Duration = Duration::from_secs(1);
/// Longer than the front uses an idle connection again: it never meets one that is being closed.
const KEEP_ALIVE_S: u32 = 15;
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Between two tries until the first success.
const FIRST_PROBE: Duration = Duration::from_millis(10);
const LONGEST_FIRST_PROBE: Duration = Duration::from_millis(250);

/// What the role needs of the pipeline.
pub struct Web<'a> {
    pub config: &'a Config,
    pub database: &'a DatabaseConfig,
    pub bench: &'a Bench,
    pub site: &'a str,
    pub front: &'a Front,
    pub bootstrapped: &'a Bootstrapped,
}

/// Serves until a stop is asked for or gunicorn cannot be kept up.
pub async fn serve(web: &Web<'_>, processes: &Processes, shutdown: &Shutdown, board: &Board) -> End {
    let (observer, statuses) = watch::channel(ServiceStatus::new(NAME));
    let grace = web.config.grace.unwrap_or(GRACE);
    let plan = ServicePlan {
        spec: spec(web, grace),
        policy: Policy { drain: web.config.drain, ..Policy::restarting(grace) },
        stop_with: Some(Signal::SIGTERM),
        // USR1 reopens logs, USR2 and WINCH are gunicorn's own upgrade dance, TTIN and TTOU are not ours.
        forward: vec![Signal::SIGHUP, Signal::SIGUSR1],
        after_signal: Some(stopping::after_signal(web.front)),
        before_stop: Some(stopping::before_stop(web.front)),
        observer,
    };
    board.enter(Phase::Serving, "");
    web.front.open();
    tokio::spawn(board.follow_child(statuses));
    let probed = tokio::spawn(keep_probing(web.front.socket(), web.site.to_string(), board.clone()));
    let end = run_service(processes, plan, shutdown).await;
    probed.abort();
    web.front.close();
    if matches!(end, End::Asked(..)) {
        // Whoever was waiting for a gunicorn that was not there is told so.
        let _ = tokio::time::timeout(LAST_ANSWERS, web.front.quiesce()).await;
    }
    end
}

fn spec(web: &Web<'_>, grace: Duration) -> Spec {
    let gunicorn = &web.config.gunicorn;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let sizing = sizing::size(cgroup::limits(), processors);
    let mut args: Vec<String> = [
        ("--bind", format!("unix:{}", web.front.socket().display())),
        ("--keep-alive", KEEP_ALIVE_S.to_string()),
        ("--workers", gunicorn.workers.unwrap_or(sizing.workers).to_string()),
        ("--threads", gunicorn.threads.unwrap_or(sizing.threads).to_string()),
        ("--worker-class", "gthread".into()),
        ("--timeout", gunicorn.timeout.as_secs().max(1).to_string()),
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
    let mut environment = ChildEnvironment::inherited().for_frappe(web.database, &web.config.redis);
    environment.set("PGAPPNAME", "cauldron/web").set("FRAPPE_STREAM_LOGGING", "1");
    for (name, value) in &web.bootstrapped.overrides {
        environment.set(name, value);
    }
    if web.bootstrapped.accepts_settings {
        environment.set("PGOPTIONS", idle_in_transaction(gunicorn.timeout));
    }
    Spec {
        args: args.into_iter().map(Into::into).collect(),
        env: environment.into_map(),
        cwd: Some(web.bench.sites()),
        output: relay(web.config.child_logs, NAME),
        ..Spec::new(NAME, web.bench.gunicorn())
    }
}

/// A request that fails leaves a session idle in transaction, and migrate waits for it for ever
/// (FRAPPE.md, Migrate). No request outlives gunicorn's timeout, so nor may its transaction.
fn idle_in_transaction(timeout: Duration) -> String {
    format!("-c idle_in_transaction_session_timeout={}", (timeout + Duration::from_secs(30)).as_millis())
}

/// Asks as the front would: the site is chosen by its header, never by default_site (FRAPPE.md).
async fn keep_probing(socket: PathBuf, site: String, board: Board) {
    let url = "http://localhost/api/method/ping";
    let started = Instant::now();
    let mut seen_working = false;
    let mut pause = FIRST_PROBE;
    loop {
        let asked = Instant::now();
        let headers = [("Host", site.as_str()), ("X-Frappe-Site-Name", site.as_str())];
        let answer = probe::get(Some(&socket), url, &headers, PROBE_DEADLINE).await;
        let problem = match answer {
            Ok(answer) if answer.status == 200 => None,
            Ok(answer) => Some(format!("/api/method/ping answered {}", answer.status)),
            Err(reason) => Some(format!("/api/method/ping: {reason}")),
        };
        let works = problem.is_none();
        let probe = RoleProbe { latency: asked.elapsed(), problem };
        if seen_working {
            tell_change(&board, &probe);
        }
        board.update(|account| account.role_probe = Some(probe));
        if works && !seen_working {
            seen_working = true;
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(site, elapsed_ms, "serving");
            // Clap, the bootstrap and its SQL have done their part.
            sys::text::let_go();
        }
        pause = match (works, seen_working) {
            (true, _) => PROBE_EVERY,
            (false, true) => PROBE_FAILING_EVERY,
            (false, false) => (pause * 2).min(LONGEST_FIRST_PROBE),
        };
        tokio::time::sleep(pause).await;
    }
}

/// One line for each change, not one for each probe.
fn tell_change(board: &Board, probe: &RoleProbe) {
    let before = board.read().role_probe;
    match (before.as_ref().map(|before| &before.problem), &probe.problem) {
        (Some(None), Some(problem)) => tracing::warn!(%problem, "the site stopped answering"),
        (Some(Some(_)), None) => tracing::info!("the site answers"),
        _ => {}
    }
}
