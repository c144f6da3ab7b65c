//! The socketio role: Frappe's own node server, ready when an Engine.IO handshake answers and somebody
//! listens for its events in Redis.
//!
//! It exits 1 without Redis, at its start and later (FRAPPE.md, socketio). So nothing is started while
//! Redis is away, and those ends count for nothing: it comes back with Redis, not with a back-off.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::sync::watch;

use super::Surroundings;
use crate::health::account::{Phase, RoleCheck};
use crate::health::probe;
use crate::redis_client::Link;
use crate::supervise::orders::{Control, Order, Run};
use crate::supervise::relay::relay_for;
use crate::supervise::run_service::{End, ServicePlan, ServiceStatus, run_controlled};
use crate::supervise::service::Policy;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::Spec;

pub const ROLE: &str = "socketio";
const GRACE: Duration = Duration::from_secs(10);
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBE_FAILING_EVERY: Duration = Duration::from_secs(1);
const FIRST_PROBE: Duration = Duration::from_millis(20);
/// Where Frappe publishes for browsers.
const CHANNEL: &str = "events";

/// Serves until a stop is asked for, or node cannot be kept up.
pub async fn serve(around: &Surroundings<'_>, shutdown: &Shutdown) -> End {
    let (orders, orders_rx) = watch::channel(Order::default());
    let (observer, status) = watch::channel(ServiceStatus::new(ROLE));
    let plan = ServicePlan {
        spec: spec(around),
        policy: Policy {
            drain: around.config.drain,
            ..Policy::restarting(around.config.grace.unwrap_or(GRACE))
        },
        stop_with: Some(Signal::SIGTERM),
        forward: Vec::new(),
        after_signal: None,
        before_stop: None,
        observer,
    };
    around.board.enter(Phase::Serving, "");
    tokio::spawn(around.board.follow_child(status.clone()));
    let control = Control { orders: orders_rx, rules: None };
    tokio::select! {
        end = run_controlled(around.processes, plan, control, shutdown) => end,
        () = keep_probing(around, &orders, status) => unreachable!("a watch goes on"),
    }
}

fn spec(around: &Surroundings<'_>) -> Spec {
    let mut environment = around.environment("cauldron/socketio");
    if let Some(port) = around.config.socketio_port {
        environment.set("FRAPPE_SOCKETIO_PORT", port.to_string());
    }
    let script: PathBuf = around.bench.app("frappe").join("socketio.js");
    Spec {
        args: vec![script.into()],
        env: environment.into_map(),
        cwd: Some(around.bench.sites()),
        output: relay_for(ROLE, around.config.child_logs, ROLE),
        dies_with_us: Some(Signal::SIGTERM),
        ..Spec::new(ROLE, "node")
    }
}

async fn keep_probing(
    around: &Surroundings<'_>,
    orders: &watch::Sender<Order>,
    mut status: watch::Receiver<ServiceStatus>,
) {
    let redis = around.queue_redis();
    let url =
        format!("http://127.0.0.1:{}/socket.io/?EIO=4&transport=polling", around.config.socketio_listens);
    let (mut seen_working, mut pause) = (false, FIRST_PROBE);
    loop {
        let asked = Instant::now();
        let listeners = match &redis {
            Ok(link) => listeners(link).await,
            Err(problem) => Err(problem.clone()),
        };
        let run = if listeners.is_ok() { Run::Yes } else { Run::NotYet };
        orders.send_if_modified(|order| {
            let changed = order.run != run;
            order.run = run;
            changed
        });
        let runs = status.borrow_and_update().pid.is_some();
        let problem = match listeners {
            Err(problem) => Some(format!("the queue Redis does not answer: {problem}")),
            Ok(_) if !runs => Some("node does not run".to_string()),
            Ok(0) => Some(format!("nobody listens to `{CHANNEL}` in the queue Redis")),
            Ok(_) => handshake(&url).await.err(),
        };
        let works = problem.is_none();
        seen_working |= works;
        around.board.check(ROLE, RoleCheck { latency: asked.elapsed(), problem, ..RoleCheck::default() });
        pause = match (works, seen_working) {
            (true, _) => PROBE_EVERY,
            (false, true) => PROBE_FAILING_EVERY,
            (false, false) => (pause * 2).min(PROBE_FAILING_EVERY),
        };
        // The end of node is news at once.
        let _ = tokio::time::timeout(pause, status.changed()).await;
    }
}

/// Engine.IO's open packet; a proxy or another program gives another answer.
async fn handshake(url: &str) -> Result<(), String> {
    match probe::get(None, url, &[], PROBE_DEADLINE).await {
        Ok(answer) if answer.status == 200 && answer.body.starts_with("0{\"sid\"") => Ok(()),
        Ok(answer) => Err(format!("the handshake answered {}", answer.status)),
        Err(reason) => Err(format!("the handshake: {reason}")),
    }
}

async fn listeners(link: &Link) -> Result<u64, String> {
    let mut question = redis::Pipeline::new();
    question.cmd("PUBSUB").arg("NUMSUB").arg(CHANNEL);
    let ((_, count),): ((String, u64),) = link.ask(&question).await?;
    Ok(count)
}
