//! `probe`: queries a probe of the supervisor in this container, for exec probes and Docker's HEALTHCHECK.

use crate::cli::Probe;
use crate::config::Config;
use crate::health_port::probe::query_supervisor;
use crate::outcome::{DONE, Flow, Result, UNAVAILABLE};
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// Prints the answer. The exit code is 0 if the probe succeeds, else 69.
///
/// # Errors
/// 69 if no supervisor answers.
pub async fn probe(config: Config, what: Probe, shutdown: &Shutdown) -> Flow<u8> {
    shutdown.guard(async { Ok(ask(&config, what).await?) }).await
}

async fn ask(config: &Config, what: Probe) -> Result<u8> {
    let path = match what {
        Probe::Live => "/livez",
        Probe::Ready => "/readyz",
        Probe::Startup => "/startupz",
    };
    let answer = query_supervisor(config.health_addr, path).await?;
    telemetry::print(&answer.body);
    Ok(if answer.status == 200 { DONE } else { UNAVAILABLE })
}
