//! `verify`: uses a running installation as a browser and a job do, from any pod or container of it. It is what
//! `helm test` runs (docs/kubernetes.md#helm-test).
//!
//! The checks are Python, because Frappe itself has to enqueue the job and publish the event; they run as `exec` runs a
//! program, and their exit code is this command's.

use std::ffi::OsString;

use serde_json::json;

use super::exec;
use crate::bench::Bench;
use crate::config::Config;
use crate::net::loopback_if_unspecified;
use crate::outcome::{Fault, Flow};
use crate::supervise::signals::Shutdown;

const SCRIPT: &str = include_str!("../frappe/verify.py");
/// For each check: a busy queue has to finish a job first.
const CHECK_TIMEOUT_S: u32 = 60;

/// Returns 0, or 69 if a check failed; each check prints a line on stdout.
///
/// # Errors
/// Those of `exec`; 78 without a site.
pub async fn verify(config: Config, live_events: bool, shutdown: &Shutdown) -> Flow<u8> {
    let Some(site) = config.site.clone() else {
        return Err(Fault::configuration("the site is not configured", "set SITE_NAME").into());
    };
    let has_tls = config.front.tls.is_some();
    let scheme = if has_tls { "https" } else { "http" };
    // Without CAULDRON_WEB_URL this is a web pod, or `all`: its own port.
    let own = || format!("{scheme}://{}", loopback_if_unspecified(config.web_addr.address));
    let url = config.web_url.clone().unwrap_or_else(own);
    let origin = config.site_url.clone().unwrap_or_else(|| format!("{scheme}://{site}"));
    let request = json!({
        "site": site,
        "url": url,
        "origin": origin,
        "ca": config.web_ca,
        // Inside the container no other program listens.
        "verifies": config.web_url.is_some(),
        "queue": config.workers.pools.first().and_then(|pool| pool.queues.first()),
        "live_events": live_events,
        "timeout_s": CHECK_TIMEOUT_S,
    });
    let python = Bench::new(&config.bench).environment().join("bin/python");
    let command: Vec<OsString> = vec![python.into(), "-c".into(), SCRIPT.into(), request.to_string().into()];
    exec::exec(command, config, shutdown).await
}
