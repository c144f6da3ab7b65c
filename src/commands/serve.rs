//! The roles: bring the site up, serve it, stop cleanly.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::renewal;
use super::site::Site;
use crate::bring_up::claim::Claim;
use crate::config::source::Problem;
use crate::config::{BootstrapMode, Config, OnFailure};
use crate::front::{Front, Settings};
use crate::health_port::login_page::LoginPage;
use crate::health_port::server;
use crate::migrate::other_sites::follow::Follower;
use crate::migrate::other_sites::{Examiner, Packages};
use crate::migrate::watch;
use crate::outcome::{DONE, Fault, Flow, Stopped, TRY_AGAIN};
use crate::overlay::sync::OverlaySync;
use crate::pod::Pod;
use crate::record::reader::RecordReader;
use crate::roles::current::Current;
use crate::roles::{Role, RoleContext, scheduler, socketio, web, worker};
use crate::status::checks::DeepCheck;
use crate::status::handle::{Phase, RoleCheck, RoleProbe, StatusHandle};
use crate::status::operation::Operation;
use crate::status::queues::Source;
use crate::supervise::run_service::End;
use crate::supervise::signals::{Shutdown, Trigger};
use crate::telemetry;

/// Who comes while the front is busy waits there; the kernel's own bound is 4,096.
const FRONT_BACKLOG: u32 = 4096;

/// Between two tries of a role that cannot be kept up, while the others go on.
const TRY_ROLE_AGAIN: Duration = Duration::from_secs(30);

/// One role, or all of them.
///
/// # Errors
/// What kept it from serving. A role that was asked to stop has done its work: 0, whenever it was asked.
pub async fn serve(roles: &[Role], mut config: Config, shutdown: &Shutdown) -> Flow<u8> {
    let name = if let [role] = roles { role.name() } else { "all" };
    let status = StatusHandle::new(name, config.site.clone());
    tell_draining(&status, shutdown);
    nothing_seen(roles, &status);
    only_what_is_needed(roles, &mut config);
    let on_failure = config.on_failure;
    match serve_site(roles, config, &status, shutdown).await {
        Ok(code) => Ok(code),
        Err(Stopped::Signal(_)) => Ok(DONE),
        Err(Stopped::Fault(fault)) if on_failure == OnFailure::Hold => hold(fault, &status, shutdown).await,
        Err(stopped) => Err(stopped),
    }
}

/// The chart gives every role the administrator's login; only what leads the bootstrap needs it. The
/// others use the site's own.
fn only_what_is_needed(roles: &[Role], config: &mut Config) {
    if roles.contains(&Role::Web) {
        return;
    }
    if config.bootstrap == BootstrapMode::Auto {
        config.bootstrap = BootstrapMode::Follow;
    }
    if config.bootstrap != BootstrapMode::Lead
        && let Some(database) = &mut config.database
    {
        database.login = None;
    }
}

/// The configuration with the mounted secrets as they are now.
fn read_again(roles: &[Role], config: &Config) -> Result<Config, Vec<Problem>> {
    let mut config = config.origin.read_again()?;
    only_what_is_needed(roles, &mut config);
    Ok(config)
}

async fn serve_site(roles: &[Role], config: Config, status: &StatusHandle, shutdown: &Shutdown) -> Flow<u8> {
    // A port that somebody has is told before anything is touched.
    let listener = if roles.contains(&Role::Web) {
        Some(server::bind(config.web_addr, "CAULDRON_WEB_ADDR", FRONT_BACKLOG)?)
    } else {
        None
    };
    let settings = Settings::of(&config);
    let site = Site::start(config, status, shutdown).await?;
    if listener.is_some() {
        if !settings.hosts.are_configured() {
            tracing::warn!(
                site = site.name,
                hint = "set CAULDRON_SITE_URL",
                "no host is configured: links in mails name the site itself, whatever host people use"
            );
        }
        site.open_first_view();
    }
    let front = listener
        .map(|listener| Front::start(listener, settings, &site.pod.runtime_dir, status.clone()))
        .transpose()?;
    let ends = loop {
        match serve_once(roles, &site, front.as_ref()).await {
            Ok(Some(ends)) => break Ok(ends),
            Ok(None) => {}
            Err(stopped) => break Err(stopped),
        }
    };
    site.stop().await;
    // The first that could not be kept up is the one to tell.
    match ends?.into_iter().find_map(|(role, end)| not_kept_up(role, end)) {
        None => Ok(DONE),
        Some(fault) => Err(fault.into()),
    }
}

/// Why a role went down by itself; None where it was asked to stop.
fn not_kept_up(role: Role, end: End) -> Option<Fault> {
    match end {
        End::Asked(..) => None,
        End::NotStarted(error) => {
            let fault = error.fault();
            Some(Fault { cause: format!("{}: {}", role.name(), fault.cause), ..fault })
        }
        End::CrashLoop(exit) | End::Ended(exit) => {
            // The orchestrator sees the child's own code; 0 would read as done.
            let code = if exit.success() { TRY_AGAIN } else { exit.code() };
            let cause = format!("{} {exit}, again and again", program(role));
            Some(Fault::new(code, cause, "its own reason is in the log above"))
        }
    }
}

/// Brings the site up and runs the roles to their ends; none where somebody took the site meanwhile, which
/// is to be brought up again when it is free.
async fn serve_once(roles: &[Role], site: &Site, front: Option<&Front>) -> Flow<Option<Vec<(Role, End)>>> {
    let Site { pod: Pod { config, shutdown, status, .. }, database, name, .. } = site;
    nothing_seen(roles, status);
    let bootstrapped = site.bring_up_to_serve().await?;
    let (stop, until) = shutdown.linked();
    let current = Current::new(&config.redis, &bootstrapped.overrides);
    let around = RoleContext {
        pod: &site.pod.until(until),
        database,
        site: name,
        bootstrapped: &bootstrapped,
        current: &current,
        has_web: roles.contains(&Role::Web),
    };
    let _beside = beside(&around).await?;
    if roles.contains(&Role::Worker) {
        let names = config.workers.timeouts.keys().cloned().collect();
        let source = Source { link: around.queue_redis(), queues: around.queues(), names };
        status.update(|status| status.queues = Some(source));
    }
    let login_page = front.map(|front| -> Arc<dyn DeepCheck> {
        Arc::new(LoginPage { probe: front.probe(), site: name.clone() })
    });
    status.update(|status| status.login_page = login_page);
    let taken = async {
        let holder = site.hold().taken().await;
        tracing::info!(holder = holder.text(), "lets go of the site");
        status.enter(Phase::OnHold, Some(Operation::WaitingForSite(holder)));
        if let Some(front) = front {
            front.close();
        }
        stop.ask();
        std::future::pending::<Infallible>().await
    };
    let ends = tokio::select! {
        ends = run(roles, &around, front, &stop) => ends,
        never = renewal::follow(site, &current, bootstrapped.ready, || read_again(roles, config)) => match never {},
        never = taken => match never {},
    };
    let let_go = shutdown.signal().is_none() && ends.iter().all(|(_, end)| matches!(end, End::Asked(..)));
    Ok((!let_go).then_some(ends))
}

/// What goes on beside the roles; it ends with the set, whatever comes.
async fn beside(around: &RoleContext<'_>) -> Flow<JoinSet<()>> {
    let RoleContext { pod, database, site, bootstrapped, current, has_web } = *around;
    let Pod { bench, processes, shutdown, status, .. } = pod;
    let overlay = &bootstrapped.overlay;
    let mut beside = JoinSet::new();
    if let Some(claim) = Claim::of(current.queue_redis(), pod, site) {
        beside.spawn(claim.keep(status.clone()));
    }
    let record = RecordReader::new(database, bench, site);
    beside.spawn(watch::follow(record, overlay.clone(), status.clone(), has_web));
    let examiner = Examiner::new(database, bench, processes, Packages::Joined(overlay.clone()));
    let mut others = Follower::new(examiner, pod, site);
    let begin = async {
        others.begin().await;
        Ok(())
    };
    shutdown.guard(begin).await?;
    beside.spawn(others.keep());
    beside.spawn(OverlaySync::of(pod, overlay, site, &bootstrapped.database).keep());
    Ok(beside)
}

/// Of this life of the roles.
fn nothing_seen(roles: &[Role], status: &StatusHandle) {
    status.update(|status| status.role_probe = None);
    for role in roles.iter().filter(|role| **role != Role::Web) {
        status.check(role.name(), RoleCheck::red("was not seen working yet"));
    }
}

fn program(role: Role) -> &'static str {
    match role {
        Role::Web => "gunicorn",
        Role::Worker => "an RQ worker",
        Role::Scheduler => "the scheduler",
        Role::Socketio => "node",
    }
}

/// All roles side by side, to their ends.
async fn run(
    roles: &[Role],
    around: &RoleContext<'_>,
    front: Option<&Front>,
    stop_all: &Trigger,
) -> Vec<(Role, End)> {
    // One of several goes down alone, unless somebody said otherwise.
    let alone = roles.len() > 1 && !around.pod.config.on_failure_given;
    let has = |role| roles.contains(&role);
    let keep = Keep { around, stop_all, alone };
    // The web role, and no other, has a front.
    let web = async {
        match front {
            Some(front) => keep.up(Role::Web, true, async || web::serve(around, front).await).await,
            None => None,
        }
    };
    let (web, worker, scheduler, socketio) = tokio::join!(
        web,
        keep.up(Role::Worker, has(Role::Worker), async || worker::serve(around).await),
        keep.up(Role::Scheduler, has(Role::Scheduler), async || scheduler::serve(around).await),
        keep.up(Role::Socketio, has(Role::Socketio), async || socketio::serve(around).await),
    );
    [web, worker, scheduler, socketio].into_iter().flatten().collect()
}

struct Keep<'a> {
    around: &'a RoleContext<'a>,
    stop_all: &'a Trigger,
    alone: bool,
}

impl Keep<'_> {
    /// Runs a role to its end. One that cannot be kept up ends the others, or is tried again later.
    async fn up(&self, role: Role, wanted: bool, serve: impl AsyncFn() -> End) -> Option<(Role, End)> {
        if !wanted {
            return None;
        }
        loop {
            let end = serve().await;
            if matches!(end, End::Asked(..)) {
                return Some((role, end));
            }
            if !self.alone {
                self.stop_all.ask();
                return Some((role, end));
            }
            let problem = format!(
                "{} cannot be kept up; tried again every {} s",
                program(role),
                TRY_ROLE_AGAIN.as_secs()
            );
            tracing::error!(role = role.name(), problem, "a role is down; the others go on");
            self.tell(role, problem);
            let asked = tokio::time::timeout(TRY_ROLE_AGAIN, self.around.pod.shutdown.stop_requested()).await;
            if let Ok(signal) = asked {
                return Some((role, End::Asked(signal, None)));
            }
        }
    }
}

impl Keep<'_> {
    fn tell(&self, role: Role, problem: String) {
        let status = &self.around.pod.status;
        if role == Role::Web {
            // Its own probe says it when it is back.
            let probe = RoleProbe { latency: Duration::ZERO, problem: Some(problem) };
            status.update(|status| status.role_probe = Some(probe));
        } else {
            status.check(role.name(), RoleCheck::red(problem));
        }
    }
}

/// Readiness goes off with the request to stop, not with its end.
fn tell_draining(status: &StatusHandle, shutdown: &Shutdown) {
    let (status, shutdown) = (status.clone(), shutdown.clone());
    tokio::spawn(async move {
        shutdown.stop_requested().await;
        status.enter(Phase::Draining, None);
    });
}

/// CAULDRON_ON_FAILURE=hold: up, unready and telling why, so that one can look around in here.
async fn hold(fault: Fault, status: &StatusHandle, shutdown: &Shutdown) -> Flow<u8> {
    tracing::error!(cause = fault.cause, hint = fault.hint, exit_code = fault.code, "failed; holding");
    status.update(|status| status.last_error = Some(fault.to_string()));
    telemetry::termination_log::write(&fault);
    status.enter(Phase::Held, None);
    shutdown.stop_requested().await;
    Ok(fault.code)
}
