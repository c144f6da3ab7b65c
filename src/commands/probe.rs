//! `probe`: asks the supervisor that runs in this container, for exec probes and Docker's HEALTHCHECK.

use crate::cli::Probe;
use crate::config::Config;
use crate::health_port::probe::ask_supervisor;
use crate::outcome::{DONE, Flow, Result, UNAVAILABLE};
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// 0 where the probe is green; its reasons on stdout where it is not.
///
/// # Errors
/// 69 where nobody answers.
pub async fn probe(config: Config, what: Probe, shutdown: &Shutdown) -> Flow<u8> {
    shutdown.guard(async { Ok(ask(&config, what).await?) }).await
}

async fn ask(config: &Config, what: Probe) -> Result<u8> {
    let path = match what {
        Probe::Live => "/livez",
        Probe::Ready => "/readyz",
        Probe::Startup => "/startupz",
    };
    let answer = ask_supervisor(config.health_addr, path).await?;
    telemetry::print(&answer.body);
    Ok(if answer.status == 200 { DONE } else { UNAVAILABLE })
}
