//! The socketio role: Frappe's own node server, ready when an Engine.IO handshake answers and it listens
//! for events in Redis.
//!
//! It exits 1 without Redis, at its start and later (docs/frappe-contract.md#socketio-without-redis). So
//! nothing is started while Redis is away, and those ends count for nothing: it comes back with Redis, not
//! with a back-off.

mod subscription;

use std::convert::Infallible;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use secrecy::SecretSlice;
use tokio::sync::watch;

use self::subscription::{Heard, Subscription};
use super::RoleContext;
use crate::backoff::Backoff;
use crate::health_port::probe;
use crate::net::loopback_if_unspecified;
use crate::status::handle::{Phase, RoleCheck};
use crate::supervise::orders::{Order, Run};
use crate::supervise::relay::relay_for;
use crate::supervise::run_service::{End, ServiceStatus, run_controlled};
use crate::supervise::service::Policy;
use crate::supervise::spawn::{Spec, Stdin};

pub const ROLE: &str = "socketio";
const GRACE: Duration = Duration::from_secs(10);
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBE_FAILING_EVERY: Duration = Duration::from_secs(1);
/// Between two tries until the first success.
const FIRST_PROBES: Backoff = Backoff::doubling(Duration::from_millis(40), PROBE_FAILING_EVERY);
const ANYBODY: &str = "somebody listens for events; this login of Redis may not see who";
const PRELUDE: &str =
    concat!(include_str!("../frappe/socketio_web.js"), include_str!("../frappe/socketio.js"));

/// Serves until a stop is asked for, or node cannot be kept up.
pub async fn serve(around: &RoleContext<'_>) -> End {
    let (orders, orders_rx) = watch::channel(Order::default());
    let grace = around.pod.config.grace.unwrap_or(GRACE);
    let policy = Policy { drain: around.pod.config.drain, ..Policy::restarting(grace) };
    let subscription =
        Subscription::new(around.queue_redis(), around.pod.runtime_dir.join("socketio-unnamed"));
    let plan = around.plan(spec(around, &subscription), policy);
    let status = plan.observer.subscribe();
    around.pod.status.enter(Phase::Serving, None);
    tokio::spawn(around.pod.status.follow_child(status.clone()));
    tokio::select! {
        end = run_controlled(&around.pod.processes, plan, orders_rx, &around.pod.shutdown) => end,
        never = keep_probing(around, &subscription, &orders, status) => match never {},
    }
}

fn spec(around: &RoleContext<'_>, subscription: &Subscription) -> Spec {
    let mut environment = around.environment("cauldron/socketio");
    environment.set("CAULDRON_CLIENT_NAME", &subscription.name);
    environment.set("CAULDRON_UNNAMED_FILE", &subscription.unnamed_file);
    if let Some(url) = around.pod.config.web_url.clone().or_else(|| own_web(around)) {
        environment.set("CAULDRON_WEB_URL", url);
    }
    if let Some(port) = around.pod.config.socketio_port {
        environment.set("FRAPPE_SOCKETIO_PORT", port.to_string());
    }
    let script = around.pod.bench.app("frappe").join("socketio.js");
    Spec {
        args: vec!["-".into(), script.into()],
        stdin: Stdin::Bytes(SecretSlice::from(PRELUDE.as_bytes().to_vec())),
        env: environment.into_map(),
        cwd: Some(around.sites()),
        output: relay_for(ROLE, around.pod.config.child_logs, ROLE),
        dies_with_us: Some(Signal::SIGTERM),
        ..Spec::new(ROLE, "node")
    }
}

/// The web port of this process itself, where it has one.
fn own_web(around: &RoleContext<'_>) -> Option<String> {
    let scheme = if around.pod.config.front.tls.is_some() { "https" } else { "http" };
    around
        .has_web
        .then(|| format!("{scheme}://{}", loopback_if_unspecified(around.pod.config.web_addr.address)))
}

async fn keep_probing(
    around: &RoleContext<'_>,
    subscription: &Subscription,
    orders: &watch::Sender<Order>,
    mut status: watch::Receiver<ServiceStatus>,
) -> Infallible {
    let url =
        format!("http://127.0.0.1:{}/socket.io/?EIO=4&transport=polling", around.pod.config.socketio_listens);
    let (mut seen_working, mut first_probes) = (false, FIRST_PROBES.delays());
    loop {
        let asked = Instant::now();
        let pid = status.borrow_and_update().pid;
        let heard = subscription.look(pid).await;
        let run = if heard.is_ok() { Run::Yes } else { Run::NotYet };
        orders.send_if_modified(|order| {
            let changed = order.run != run;
            order.run = run;
            changed
        });
        let problem = match &heard {
            Err(problem) => Some(format!("the queue Redis does not answer: {problem}")),
            Ok(_) if pid.is_none() => Some("node does not run".to_string()),
            Ok(Heard::Nobody) => Some("node does not listen for events in the queue Redis".to_string()),
            Ok(_) => handshake(&url).await.err(),
        };
        let note = if heard == Ok(Heard::Any) { ANYBODY } else { "" }.to_string();
        let works = problem.is_none();
        seen_working |= works;
        around
            .pod
            .status
            .check(ROLE, RoleCheck { latency: asked.elapsed(), problem, note, ..RoleCheck::default() });
        let pause = match (works, seen_working) {
            (true, _) => PROBE_EVERY,
            (false, true) => PROBE_FAILING_EVERY,
            (false, false) => first_probes.next_delay(),
        };
        // The end of node is news at once.
        let _ = tokio::time::timeout(pause, status.changed()).await;
    }
}

/// Engine.IO's open packet; a proxy or another program gives another answer.
async fn handshake(url: &str) -> Result<(), String> {
    match probe::get(url, &[], PROBE_DEADLINE).await {
        Ok(answer) if answer.status == 200 && answer.body.starts_with("0{\"sid\"") => Ok(()),
        Ok(answer) => Err(format!("the handshake answered {}", answer.status)),
        Err(reason) => Err(format!("the handshake: {reason}")),
    }
}
