//! HTTP requests to the running supervisor (`probe`, `status`) and to a role's server.

use std::time::Duration;

use serde_json::Value;

use crate::config::Listen;
use crate::net::loopback_if_unspecified;
use crate::outcome::{Fault, Result};

/// Below the kubelet's default timeout of 1 s for an exec probe.
const TIMEOUT: Duration = Duration::from_millis(900);

/// The response to a request.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Sends one GET with these headers, and fails after `timeout`.
pub async fn get(
    url: &str,
    headers: &[(&str, &str)],
    timeout: Duration,
) -> std::result::Result<Answer, String> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(timeout)
        .build()
        .map_err(|error| error.to_string())?;
    let mut request = client.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let describe = |error: reqwest::Error| {
        // reqwest's own text repeats the URL; the reason is the last source of the chain.
        let mut reason: &dyn std::error::Error = &error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        if error.is_timeout() {
            format!("no answer within {} ms", timeout.as_millis())
        } else {
            reason.to_string()
        }
    };
    let response = request.send().await.map_err(describe)?;
    let status = response.status().as_u16();
    let body = response.text().await.map_err(describe)?;
    Ok(Answer { status, body })
}

/// Sends a GET to the supervisor on the health port of this container.
///
/// # Errors
/// 69 if no supervisor answers; 78 if there is no health port.
pub async fn query_supervisor(health: Option<Listen>, path: &str) -> Result<Answer> {
    let Some(listen) = health else {
        return Err(Fault::configuration(
            "CAULDRON_HEALTH_ADDR is off, so no supervisor can be reached",
            "set CAULDRON_HEALTH_ADDR for the role and for this command",
        ));
    };
    let address = loopback_if_unspecified(listen.address);
    get(&format!("http://{address}{path}"), &[], TIMEOUT).await.map_err(|reason| {
        Fault::unavailable(
            format!("no supervisor answers on {address}: {reason}"),
            "start a role in this container, or set CAULDRON_HEALTH_ADDR to the role's value",
        )
    })
}

/// The `/status` of that supervisor.
///
/// # Errors
/// As [`query_supervisor`]; 69 if something else answers.
pub async fn query_status(health: Option<Listen>) -> Result<Value> {
    let answer = query_supervisor(health, "/status").await?;
    serde_json::from_str(&answer.body).map_err(|error| {
        Fault::unavailable(
            format!("the answer is not from cauldron-frappe: {error}"),
            "set CAULDRON_HEALTH_ADDR to the address of the supervisor",
        )
    })
}
