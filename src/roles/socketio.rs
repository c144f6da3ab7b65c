//! The socketio role: Frappe's own node server. It is ready when an Engine.IO handshake succeeds and the server is
//! subscribed to events in Redis, and while it can authenticate pages (`authentication`).
//!
//! Node exits 1 without Redis, at its start and later (docs/frappe-contract.md#socketio-without-redis). So it is
//! not started while Redis is down, and such exits are not counted as crashes: it restarts as soon as Redis is
//! back, without a back-off.

pub mod answer;
mod authentication;
mod subscription;
pub mod web_url;

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use secrecy::SecretSlice;
use tokio::sync::watch;

use self::authentication::{Authentication, keep_asking};
use self::subscription::{Subscriber, Subscription};
use super::RoleContext;
use crate::backoff::Backoff;
use crate::bench::Bench;
use crate::health_port::probe;
use crate::net::loopback_if_unspecified;
use crate::outcome::refusal::Refusal;
use crate::outcome::{self, Fault};
use crate::status::handle::{Phase, RoleCheck, RoleName};
use crate::supervise::orders::{Order, Run};
use crate::supervise::run_service::{End, ServiceStatus, run_controlled};
use crate::supervise::service::Policy;
use crate::supervise::spawn::{Spec, Stdin};

const ROLE: RoleName = RoleName::Socketio;
const STOP_GRACE: Duration = Duration::from_secs(10);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
const FAILING_PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Between two probes until the first success.
const STARTUP_PROBE_BACKOFF: Backoff = Backoff::doubling(Duration::from_millis(40), FAILING_PROBE_INTERVAL);
const UNIDENTIFIED_NOTE: &str = "somebody listens for events; this login of Redis may not see who";
const PRELUDE: &str = concat!(
    include_str!("../frappe/socketio_web.js"),
    include_str!("../frappe/socketio_direct.js"),
    include_str!("../frappe/socketio.js")
);

/// Refuses an image whose Frappe has no node server.
///
/// # Errors
/// 78 with what to run instead.
pub fn require_node_server(bench: &Bench) -> outcome::Result<()> {
    let script = node_server(bench);
    // Without Frappe, another check names what is wrong with the bench.
    if script.exists() || !bench.app("frappe").exists() {
        return Ok(());
    }
    Err(Fault::configuration(
        format!("{} does not exist: this Frappe has no node server for live events", script.display()),
        "run its server in Python in a container of its own: exec -- python -m frappe.realtime.server",
    )
    .named(Refusal::LiveEventsServerMissing))
}

fn node_server(bench: &Bench) -> PathBuf {
    bench.app("frappe").join("socketio.js")
}

/// Serves until a stop is requested or node crash-loops.
pub async fn serve(context: &RoleContext<'_>) -> End {
    let (orders, orders_rx) = watch::channel(Order::default());
    let grace = context.pod.config.grace.unwrap_or(STOP_GRACE);
    let policy = Policy { drain: context.pod.config.drain, ..Policy::restarting(grace) };
    let subscription =
        Subscription::new(context.queue_redis(), context.pod.runtime_dir.join("socketio-unnamed"));
    let plan = context.plan(spec(context, &subscription), policy);
    let status = plan.observer.subscribe();
    context.pod.status.enter(Phase::Serving, None);
    tokio::spawn(context.pod.status.follow_child(status.clone()));
    let (authentication, authentication_rx) = watch::channel(Authentication::default());
    tokio::select! {
        end = run_controlled(&context.pod.processes, plan, orders_rx, &context.pod.shutdown) => end,
        never = keep_probing(context, &subscription, &orders, status, authentication_rx) => match never {},
        never = keep_asking(&context.pod.config, context.site, context.has_web, authentication) => match never {},
    }
}

fn spec(context: &RoleContext<'_>, subscription: &Subscription) -> Spec {
    let mut environment = context.environment("cauldron/socketio");
    environment.set("CAULDRON_SITE", context.site);
    environment.set("CAULDRON_CLIENT_NAME", &subscription.name);
    environment.set("CAULDRON_UNNAMED_FILE", &subscription.unnamed_file);
    if let Some(url) = context.pod.config.web_url.clone().or_else(|| own_web_url(context)) {
        environment.set("CAULDRON_WEB_URL", url);
    }
    // Node reads common_site_config.json in this folder, wherever Frappe's code lies.
    environment.set("FRAPPE_BENCH_ROOT", &context.pod.config.bench);
    // It also reads files that we do not (config.json), and ports that we cannot. A socketio_uds in a file would win over
    // the port; a number is a port there, too.
    let port = context.pod.config.socketio_listen_port.to_string();
    environment.set("FRAPPE_SOCKETIO_PORT", &port).set("FRAPPE_SOCKETIO_UDS", &port);
    let script = node_server(&context.pod.bench);
    Spec {
        args: vec!["-".into(), script.into()],
        stdin: Stdin::Bytes(SecretSlice::from(PRELUDE.as_bytes().to_vec())),
        env: environment.into_map(),
        cwd: Some(context.sites()),
        output: context.output(ROLE.as_str(), ROLE.as_str()),
        parent_death_signal: Some(Signal::SIGTERM),
        ..Spec::new(ROLE.as_str(), "node")
    }
}

/// Returns the URL of this process's own web port, if it has one.
fn own_web_url(context: &RoleContext<'_>) -> Option<String> {
    let scheme = if context.pod.config.front.tls.is_some() { "https" } else { "http" };
    context
        .has_web
        .then(|| format!("{scheme}://{}", loopback_if_unspecified(context.pod.config.web_addr.address)))
}

async fn keep_probing(
    context: &RoleContext<'_>,
    subscription: &Subscription,
    orders: &watch::Sender<Order>,
    mut status: watch::Receiver<ServiceStatus>,
    authentication: watch::Receiver<Authentication>,
) -> Infallible {
    let url = format!(
        "http://127.0.0.1:{}/socket.io/?EIO=4&transport=polling",
        context.pod.config.socketio_listen_port
    );
    let (mut has_worked, mut startup_delays) = (false, STARTUP_PROBE_BACKOFF.delays());
    loop {
        let started_at = Instant::now();
        let pid = status.borrow_and_update().pid;
        let subscriber = subscription.find_subscriber(pid).await;
        let run = if subscriber.is_ok() { Run::Yes } else { Run::NotYet };
        orders.send_if_modified(|order| {
            let changed = order.run != run;
            order.run = run;
            changed
        });
        let problem = match &subscriber {
            Err(problem) => Some(format!("the queue Redis does not answer: {problem}")),
            Ok(_) if pid.is_none() => Some("node does not run".to_string()),
            Ok(Subscriber::Absent) => Some("node does not listen for events in the queue Redis".to_string()),
            Ok(_) => handshake(&url).await.err(),
        };
        let works = problem.is_none();
        has_worked |= works;
        let pages = authentication.borrow().clone();
        let problem = problem.or(pages.problem);
        let unidentified =
            (subscriber == Ok(Subscriber::Unidentified)).then(|| UNIDENTIFIED_NOTE.to_string());
        let notes = unidentified.into_iter().chain(Some(pages.note).filter(|note| !note.is_empty()));
        let note = notes.collect::<Vec<_>>().join("; ");
        context
            .pod
            .status
            .check(ROLE, RoleCheck { latency: started_at.elapsed(), problem, note, ..RoleCheck::default() });
        let pause = match (works, has_worked) {
            (true, _) => PROBE_INTERVAL,
            (false, true) => FAILING_PROBE_INTERVAL,
            (false, false) => startup_delays.next_delay(),
        };
        // Probe again at once when node starts or ends.
        let _ = tokio::time::timeout(pause, status.changed()).await;
    }
}

/// Checks for Engine.IO's open packet; a proxy or another program answers differently.
async fn handshake(url: &str) -> Result<(), String> {
    match probe::get(url, &[], PROBE_TIMEOUT).await {
        Ok(answer) if answer.status == 200 && answer.body.starts_with("0{\"sid\"") => Ok(()),
        Ok(answer) => Err(format!("the handshake answered {}", answer.status)),
        Err(reason) => Err(format!("the handshake: {reason}")),
    }
}
