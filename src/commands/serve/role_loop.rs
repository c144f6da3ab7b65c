//! Runs the roles of a pod side by side until each has ended.

use std::time::Duration;

use crate::front::Front;
use crate::outcome::{Fault, TRY_AGAIN};
use crate::roles::{Role, RoleContext, scheduler, socketio, web, worker};
use crate::status::handle::{RoleCheck, RoleProbe};
use crate::supervise::run_service::End;
use crate::supervise::signals::Trigger;

/// The pause before a failed role is started again while the other roles continue.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// Runs all roles side by side and returns how each ended.
pub(super) async fn run(
    roles: &[Role],
    context: &RoleContext<'_>,
    front: Option<&Front>,
    stop_all: &Trigger,
) -> Vec<(Role, End)> {
    // If there are several roles, a failed one does not stop the others, unless CAULDRON_ON_FAILURE is set.
    let independent = roles.len() > 1 && !context.pod.config.on_failure_given;
    let has = |role| roles.contains(&role);
    let role_loop = RoleLoop { context, stop_all, independent };
    // Only the web role has a front.
    let web = async {
        match front {
            Some(front) => role_loop.run(Role::Web, true, async || web::serve(context, front).await).await,
            None => None,
        }
    };
    let (web, worker, scheduler, socketio) = tokio::join!(
        web,
        role_loop.run(Role::Worker, has(Role::Worker), async || worker::serve(context).await),
        role_loop.run(Role::Scheduler, has(Role::Scheduler), async || scheduler::serve(context).await),
        role_loop.run(Role::Socketio, has(Role::Socketio), async || socketio::serve(context).await),
    );
    [web, worker, scheduler, socketio].into_iter().flatten().collect()
}

struct RoleLoop<'a> {
    context: &'a RoleContext<'a>,
    stop_all: &'a Trigger,
    independent: bool,
}

impl RoleLoop<'_> {
    /// Runs a role until it is stopped. If it fails, stops all roles, or starts it again later.
    async fn run(&self, role: Role, enabled: bool, serve: impl AsyncFn() -> End) -> Option<(Role, End)> {
        if !enabled {
            return None;
        }
        loop {
            let end = serve().await;
            if matches!(end, End::StopRequested(..)) {
                return Some((role, end));
            }
            if !self.independent {
                self.stop_all.request_stop();
                return Some((role, end));
            }
            let cause = match end {
                End::Failed(fault) => fault.cause,
                _ => format!("{} keeps failing", program(role)),
            };
            let problem = format!("{cause}; restarted every {} s", RETRY_INTERVAL.as_secs());
            tracing::error!(
                event = "service.role_down",
                role = role.name().as_str(),
                problem,
                "role is down; the other roles continue"
            );
            self.publish(role, problem);
            let shutdown = &self.context.pod.shutdown;
            if let Ok(signal) = tokio::time::timeout(RETRY_INTERVAL, shutdown.stop_requested()).await {
                return Some((role, End::StopRequested(signal, None)));
            }
        }
    }
}

impl RoleLoop<'_> {
    /// Publishes the problem in the status, which makes the pod unready.
    fn publish(&self, role: Role, problem: String) {
        let status = &self.context.pod.status;
        if role == Role::Web {
            // The web role's probe replaces this as soon as the role works again.
            let probe = RoleProbe { latency: Duration::ZERO, problem: Some(problem) };
            status.update(|status| status.role_probe = Some(probe));
        } else {
            status.check(role.name(), RoleCheck::failed(problem));
        }
    }
}

/// Returns the fault of a role that ended without a stop request; None if it was requested.
pub(super) fn unrequested_end(role: Role, end: End) -> Option<Fault> {
    match end {
        End::StopRequested(..) => None,
        End::Failed(fault) => Some(fault),
        End::NotStarted(error) => {
            let fault = error.fault();
            Some(Fault { cause: format!("{}: {}", role.name(), fault.cause), ..fault })
        }
        End::CrashLoop(exit) | End::Ended(exit) => {
            // The orchestrator sees the child's exit code, except 0, which would mean "done".
            let code = if exit.success() { TRY_AGAIN } else { exit.code() };
            let cause = format!("{} {exit} repeatedly", program(role));
            Some(Fault::new(code, cause, "read the child's error in the log above"))
        }
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
