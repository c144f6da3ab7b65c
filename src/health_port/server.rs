//! The health port: `/livez`, `/readyz`, `/startupz`, `?verbose`, `/status`, `/metrics`.
//!
//! It has a thread and an event loop of its own: behind 1,000 busy clients of the web port, an answer of the process's
//! loop comes late. That the process's loop runs is one of the checks ([`MainLoop`]).

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;

use super::main_loop::MainLoop;
use crate::config::Listen;
use crate::outcome::{BUG, Fault, Result};
use crate::status::checks::Check;
use crate::status::handle::{Status, StatusHandle};
use crate::status::metrics;

/// Short, because probes are few.
const BACKLOG: u32 = 128;

/// What the handlers share.
#[derive(Clone)]
struct Health {
    status: StatusHandle,
    main_loop: MainLoop,
}

/// Binds the port, and serves it until the process ends. The caller's event loop is the one that the probes ask.
///
/// # Errors
/// 78 if the port is taken; 70 if the thread cannot be started.
pub fn start(listen: Listen, status: StatusHandle) -> Result<SocketAddr> {
    let listener = bind(listen, "CAULDRON_HEALTH_ADDR", BACKLOG)?;
    let address = listener.local_addr().unwrap_or(listen.address);
    let router = Router::new()
        .route("/livez", get(|state, query| answer(state, query, Status::live)))
        .route("/readyz", get(|state, query| answer(state, query, Status::ready)))
        .route("/startupz", get(|state, query| answer(state, query, Status::started)))
        .route("/status", get(status_page))
        .route("/metrics", get(exposition))
        .with_state(Health { status, main_loop: MainLoop::current() });
    let started = listener.into_std().and_then(|listener| {
        thread::Builder::new().name("health".into()).spawn(move || {
            if let Err(error) = serve(listener, router) {
                tracing::error!(event = "health.failed", %error, "health port is closed");
            }
        })
    });
    started.map(|_| address).map_err(|error| {
        Fault::new(
            BUG,
            format!("cannot start the thread of the health port: {error}"),
            "raise the limit of processes",
        )
    })
}

/// Serves on an event loop of this thread.
fn serve(listener: std::net::TcpListener, router: Router) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { axum::serve(TcpListener::from_std(listener)?, router).await })
}

/// Binds a listener; the default address falls back to IPv4 if the kernel has no IPv6.
///
/// # Errors
/// 78 or 77, naming the variable to change.
pub fn bind(listen: Listen, variable: &str, backlog: u32) -> Result<TcpListener> {
    let mut result = listen_on(listen.address, backlog);
    if result.is_err() && listen.ipv4_fallback {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, listen.address.port()));
        // A port that is in use fails on IPv4 too; the first error is reported.
        if let Ok(listener) = listen_on(v4, backlog) {
            result = Ok(listener);
        }
    }
    result.map_err(|error| {
        let cause = format!("cannot listen on {}: {error}", listen.address);
        let code = match error.kind() {
            std::io::ErrorKind::PermissionDenied => crate::outcome::PERMISSION,
            _ => crate::outcome::CONFIGURATION,
        };
        Fault::new(
            code,
            cause,
            format!("set {variable} to a free address:port, or stop the process that uses it"),
        )
    })
}

fn listen_on(address: SocketAddr, backlog: u32) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of an earlier start may still be in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

async fn answer(
    State(Health { status, main_loop }): State<Health>,
    RawQuery(query): RawQuery,
    checks: fn(&Status) -> Vec<Check>,
) -> Response {
    let has_parameter = |name: &str| {
        query.as_ref().is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some(name)))
    };
    let status = status.read();
    let mut checks = checks(&status);
    checks.insert(0, main_loop.check().await);
    if has_parameter("deep")
        && let Some(page) = &status.login_page
    {
        checks.push(page.check().await);
    }
    let healthy = checks.iter().all(|check| check.problem.is_none());
    let verbose = has_parameter("verbose");
    let mut body = String::new();
    for check in &checks {
        let name = check.name.as_str();
        match &check.problem {
            Some(problem) => body.push_str(&format!("[-] {name}: {problem}\n")),
            None if verbose && check.note.is_empty() => body.push_str(&format!("[+] {name}: ok\n")),
            None if verbose => body.push_str(&format!("[+] {name}: ok ({})\n", check.note)),
            None => {}
        }
    }
    if healthy && !verbose {
        body.push_str("ok\n");
    }
    let code = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

async fn status_page(State(Health { status, .. }): State<Health>) -> Response {
    let body = format!("{:#}\n", status.read().status());
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn exposition(State(Health { status, .. }): State<Health>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let status = status.read();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    let figures = match &status.queues {
        // If Redis does not answer, the other metrics are still exported.
        Some(source) => source.read(now_s).await.ok(),
        None => None,
    };
    ([(header::CONTENT_TYPE, content_type)], metrics::encode(&status, figures.as_ref())).into_response()
}
