//! Runs roles: brings the site up, serves it, stops cleanly.

mod backup_schedule;
mod role_loop;

use std::convert::Infallible;
use std::sync::Arc;

use tokio::task::JoinSet;

use self::role_loop::unrequested_end;
use super::renewal;
use super::site::Site;
use crate::bench::Bench;
use crate::bring_up::claim::Claim;
use crate::config::source::Problem;
use crate::config::{BootstrapMode, Config, OnFailure};
use crate::frappe::queues::BenchQueues;
use crate::front::Front;
use crate::health_port::login_page::LoginPage;
use crate::health_port::server;
use crate::migrate::other_sites::follow::Follower;
use crate::migrate::other_sites::{Examiner, Packages};
use crate::migrate::watch;
use crate::outcome::{DONE, Fault, Flow, Stopped};
use crate::overlay::sync::OverlaySync;
use crate::pod::Pod;
use crate::record::reader::RecordReader;
use crate::roles::current::Current;
use crate::roles::scheduler::stand_in::StandIn;
use crate::roles::{Role, RoleContext, socketio};
use crate::status::checks::DeepCheck;
use crate::status::handle::{Phase, RoleCheck, RoleName, StatusHandle};
use crate::status::operation::Operation;
use crate::status::queues::Source;
use crate::supervise::run_service::End;
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// Connections that may wait while the front is busy; the kernel's default limit is 4,096.
const FRONT_BACKLOG: u32 = 4096;

/// Runs one role, or all of them. A requested stop is a success (0), whenever it arrives.
///
/// # Errors
/// The fault that kept a role from serving.
pub async fn serve(roles: &[Role], mut config: Config, shutdown: &Shutdown) -> Flow<u8> {
    let name = if let [role] = roles { role.name() } else { RoleName::All };
    let status = StatusHandle::new(name, config.site.clone());
    publish_draining(&status, shutdown);
    reset_checks(roles, &status);
    restrict_login(roles, &mut config);
    let on_failure = config.on_failure;
    match serve_site(roles, config, &status, shutdown).await {
        Ok(code) => Ok(code),
        Err(Stopped::Signal(_)) => Ok(DONE),
        Err(Stopped::Fault(fault)) if on_failure == OnFailure::Hold => {
            stay_up(fault, &status, shutdown).await
        }
        Err(stopped) => Err(stopped),
    }
}

/// Drops the administrator's login unless this pod may lead the bootstrap. The chart gives that login to
/// every role; roles that follow use the site's own login.
fn restrict_login(roles: &[Role], config: &mut Config) {
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

/// The configuration with the current contents of the mounted secrets.
fn read_again(roles: &[Role], config: &Config) -> Result<Config, Vec<Problem>> {
    let mut config = config.origin.reload()?;
    restrict_login(roles, &mut config);
    Ok(config)
}

async fn serve_site(roles: &[Role], config: Config, status: &StatusHandle, shutdown: &Shutdown) -> Flow<u8> {
    if roles.contains(&Role::Socketio) {
        socketio::require_node_server(&Bench::new(&config.bench))?;
    }
    // Bind first: a port that is in use is reported before anything is changed.
    let listener = if roles.contains(&Role::Web) {
        Some(server::bind(config.web_addr, "CAULDRON_WEB_ADDR", FRONT_BACKLOG)?)
    } else {
        None
    };
    let redirected = config.redirect_addr.filter(|_| listener.is_some());
    let redirected =
        redirected.map(|addr| server::bind(addr, "CAULDRON_REDIRECT_ADDR", FRONT_BACKLOG)).transpose()?;
    let site = Site::start(config, status, shutdown).await?;
    if listener.is_some() {
        if !site.pod.config.front.hosts.has_configured_hosts() {
            tracing::warn!(
                event = "web.no_host_configured",
                site = site.name,
                hint = "set CAULDRON_SITE_URL",
                "no host is configured: links in mails contain the site's name, not the host that users visit"
            );
        }
        site.open_early_overlay();
    }
    let front = listener
        .map(|listener| Front::start(listener, &site.pod.config, &site.pod.runtime_dir, status.clone()))
        .transpose()?;
    if let (Some(front), Some(listener)) = (&front, redirected) {
        front.redirect(listener);
    }
    let _backups = scheduled_backups(roles, &site);
    let ends = loop {
        match serve_once(roles, &site, front.as_ref()).await {
            Ok(Some(ends)) => break Ok(ends),
            Ok(None) => {}
            Err(stopped) => break Err(stopped),
        }
    };
    site.stop().await;
    // Report the first role that failed.
    match ends?.into_iter().find_map(|(role, end)| unrequested_end(role, end)) {
        None => Ok(DONE),
        Some(fault) => Err(fault.into()),
    }
}

/// Starts to take backups on a clock, in `all`. Dropping the set ends that.
fn scheduled_backups(roles: &[Role], site: &Site) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(schedule) = site.pod.config.backup.schedule.clone().filter(|_| roles.len() == Role::ALL.len())
    {
        tasks.spawn(backup_schedule::follow(site.pod.clone(), site.name.clone(), schedule));
    }
    tasks
}

/// Brings the site up and runs the roles until they end. Returns None if a command took the site's exclusive
/// lock meanwhile: the caller brings the site up again once the lock is free.
async fn serve_once(roles: &[Role], site: &Site, front: Option<&Front>) -> Flow<Option<Vec<(Role, End)>>> {
    let Site { pod: Pod { config, shutdown, status, .. }, database, name, .. } = site;
    reset_checks(roles, status);
    let bootstrapped = site.bring_up_to_serve().await?;
    let (stop, until) = shutdown.linked();
    let current = Current::new(&config.redis, &bootstrapped.overrides);
    let stand_in = StandIn::of(config);
    let queues = BenchQueues::of(config);
    let context = RoleContext {
        pod: &site.pod.with_shutdown(until),
        database,
        site: name,
        bootstrapped: &bootstrapped,
        current: &current,
        has_web: roles.contains(&Role::Web),
        stand_in: &stand_in,
        queues: &queues,
    };
    let _tasks = background_tasks(&context).await?;
    if roles.contains(&Role::Worker) {
        let names = config.workers.timeouts.keys().cloned().collect();
        let source = Source { link: context.queue_redis(), queues: context.queues(), names };
        status.update(|status| status.queues = Some(source));
    }
    let login_page = front.map(|front| -> Arc<dyn DeepCheck> {
        Arc::new(LoginPage { probe: front.probe(), site: name.clone() })
    });
    status.update(|status| status.login_page = login_page);
    let taken = async {
        let holder = site.exclusive_lock().wait_until_taken().await;
        tracing::info!(
            event = "site.suspended",
            holder = holder.text(),
            "another command takes the site: stopping its roles until it is free"
        );
        status.enter(Phase::Suspended, Some(Operation::WaitingForSite(holder)));
        if let Some(front) = front {
            front.close();
        }
        stop.request_stop();
        std::future::pending::<Infallible>().await
    };
    let ends = tokio::select! {
        ends = role_loop::run(roles, &context, front, &stop) => ends,
        never = renewal::follow(site, &current, bootstrapped.ready, || read_again(roles, config)) => match never {},
        never = taken => match never {},
    };
    let suspended =
        shutdown.signal().is_none() && ends.iter().all(|(_, end)| matches!(end, End::StopRequested(..)));
    Ok((!suspended).then_some(ends))
}

/// Starts the tasks that run beside the roles. Dropping the set ends them.
async fn background_tasks(context: &RoleContext<'_>) -> Flow<JoinSet<()>> {
    let RoleContext { pod, database, site, bootstrapped, current, has_web, stand_in, queues } = *context;
    let Pod { bench, processes, shutdown, status, .. } = pod;
    let overlay = &bootstrapped.overlay;
    let mut tasks = JoinSet::new();
    if let Some(claim) = Claim::of(current.queue_redis(), pod, site, queues) {
        tasks.spawn(claim.keep(status.clone()));
    }
    if has_web {
        let key = queues.scheduler(site);
        tasks.spawn(stand_in.clone().follow(current.queue_redis(), key));
    }
    let record = RecordReader::new(database, bench, site);
    tasks.spawn(watch::follow(record, overlay.clone(), status.clone(), has_web));
    let examiner = Examiner::new(database, bench, processes, Packages::Joined(overlay.clone()));
    let mut others = Follower::new(examiner, pod, site);
    let begin = async {
        others.begin().await;
        Ok(())
    };
    shutdown.guard(begin).await?;
    tasks.spawn(others.keep());
    tasks.spawn(OverlaySync::of(pod, overlay, site, &bootstrapped.database).run());
    Ok(tasks)
}

/// Marks every role as not yet working, at the beginning and after a suspension.
fn reset_checks(roles: &[Role], status: &StatusHandle) {
    status.update(|status| status.role_probe = None);
    for role in roles.iter().filter(|role| **role != Role::Web) {
        status.check(role.name(), RoleCheck::failed("was not seen working yet"));
    }
}

/// Makes the pod unready as soon as a stop is requested, not when it is complete.
fn publish_draining(status: &StatusHandle, shutdown: &Shutdown) {
    let (status, shutdown) = (status.clone(), shutdown.clone());
    tokio::spawn(async move {
        shutdown.stop_requested().await;
        status.enter(Phase::Draining, None);
    });
}

/// CAULDRON_ON_FAILURE=hold: stays up, unready and with the fault in the status, so that an operator can
/// examine the container.
async fn stay_up(fault: Fault, status: &StatusHandle, shutdown: &Shutdown) -> Flow<u8> {
    tracing::error!(
        event = "process.held_after_failure",
        cause = fault.cause,
        hint = fault.hint,
        mend = telemetry::former_key(&fault.hint),
        refusal = fault.refusal_name(),
        exit_code = fault.code,
        "failed; staying up for examination (CAULDRON_ON_FAILURE=hold)"
    );
    status.update(|status| status.last_error = Some(fault.to_string()));
    telemetry::termination_log::write(&fault);
    status.enter(Phase::FailedHeld, None);
    shutdown.stop_requested().await;
    Ok(fault.code)
}
