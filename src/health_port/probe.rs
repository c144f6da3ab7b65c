//! Asking over HTTP: the running supervisor (`probe`, `status`), and the role whether it works.

use std::time::Duration;

use crate::config::Listen;
use crate::net::loopback_if_unspecified;
use crate::outcome::{Fault, Result};

/// A kubelet gives an exec probe a second by default.
const DEADLINE: Duration = Duration::from_millis(900);

/// What came back.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// One GET, with the headers given, within `deadline`.
pub async fn get(
    url: &str,
    headers: &[(&str, &str)],
    deadline: Duration,
) -> std::result::Result<Answer, String> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(deadline)
        .build()
        .map_err(|error| error.to_string())?;
    let mut request = client.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let told = |error: reqwest::Error| {
        // reqwest's own text repeats the URL; the reason is at the end of the chain.
        let mut reason: &dyn std::error::Error = &error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        if error.is_timeout() {
            format!("no answer within {} ms", deadline.as_millis())
        } else {
            reason.to_string()
        }
    };
    let response = request.send().await.map_err(told)?;
    let status = response.status().as_u16();
    let body = response.text().await.map_err(told)?;
    Ok(Answer { status, body })
}

/// Asks the supervisor that listens on the health port of this container.
///
/// # Errors
/// 69 where nobody answers; 78 where there is no health port.
pub async fn ask_supervisor(health: Option<Listen>, path: &str) -> Result<Answer> {
    let Some(listen) = health else {
        return Err(Fault::configuration(
            "CAULDRON_HEALTH_ADDR is off: there is nobody to ask",
            "give the role a health address",
        ));
    };
    let address = loopback_if_unspecified(listen.address);
    get(&format!("http://{address}{path}"), &[], DEADLINE).await.map_err(|reason| {
        Fault::unavailable(
            format!("no supervisor answers on {address}: {reason}"),
            "start a role in this container, or give the CAULDRON_HEALTH_ADDR that it has",
        )
    })
}
