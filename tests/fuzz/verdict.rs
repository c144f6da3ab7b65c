//! Compares what gunicorn received with what it may receive.

use std::collections::HashMap;

use crate::case::{Case, Expected, address, number};
use crate::rfc9112::Accepted;
use crate::stage::SITE;
use crate::support::recorder::Recorded;

/// The requests that gunicorn received, of every case.
pub struct Verdict {
    seed: u64,
    /// How many were received of each case, and up to which of the expected ones.
    received: HashMap<u32, Vec<usize>>,
    pub requests: usize,
}

impl Verdict {
    pub fn new(seed: u64) -> Self {
        Self { seed, received: HashMap::new(), requests: 0 }
    }

    /// Judges the next request that gunicorn received.
    ///
    /// # Errors
    /// The reason why no client sent this request.
    pub fn judge(&mut self, record: &Recorded) -> Result<(), String> {
        let forwarded = record.header("HTTP_X_FORWARDED_FOR");
        // The probes of the pod, and the innocent client.
        if forwarded == "127.0.0.1" && record.target == "/api/method/ping" {
            return is_ours(record, forwarded);
        }
        let number = forwarded.parse().ok().and_then(number).ok_or("a request of no case")?;
        self.requests += 1;
        is_ours(record, &address(number).to_string())
            .and_then(|()| self.judge_case(number, record))
            .map_err(|fault| format!("CAULDRON_FUZZ_CASE={number}: {fault}"))
    }

    fn judge_case(&mut self, number: u32, record: &Recorded) -> Result<(), String> {
        let received = self.received.entry(number).or_default();
        let found = Accepted {
            method: record.method.clone(),
            // gunicorn decodes the request line as latin-1.
            target: record.target.chars().map(|letter| letter as u8).collect(),
            body: record.body.clone(),
        };
        match &Case::new(self.seed, number).expected {
            Expected::InOrder(allowed) => {
                let next = received.last().map_or(0, |last| last + 1);
                let at = allowed.iter().skip(next).position(|request| *request == found);
                received.push(next + at.ok_or("not one of the requests that were sent")?);
            }
            Expected::AnyOrder(allowed) => {
                let at = allowed.iter().position(|request| *request == found);
                let at = at.ok_or("not one of the requests that were sent")?;
                if received.contains(&at) {
                    return Err("received twice".into());
                }
                received.push(at);
            }
            Expected::AtMost(most) => {
                received.push(0);
                if received.len() > *most {
                    return Err("more requests than were sent".into());
                }
            }
        }
        Ok(())
    }
}

/// Checks the headers that only the front may set, and what no request may contain.
fn is_ours(record: &Recorded, from: &str) -> Result<(), String> {
    for (name, value) in [
        ("HTTP_X_FORWARDED_FOR", from),
        ("HTTP_X_FORWARDED_PROTO", "http"),
        ("HTTP_X_FRAPPE_SITE_NAME", SITE),
        ("HTTP_X_USE_X_ACCEL_REDIRECT", "True"),
    ] {
        if record.header(name) != value {
            return Err(format!("{name} is {:?}", record.header(name)));
        }
    }
    let id = record.header("HTTP_X_REQUEST_ID");
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(format!("the request id is {id:?}"));
    }
    for name in ["HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_PROXY"] {
        if record.headers.contains_key(name) {
            return Err(format!("{name} was forwarded"));
        }
    }
    if record.target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err("the target has a space or a control character".into());
    }
    let host = record.header("HTTP_HOST");
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)) {
        return Err(format!("the host is {host:?}"));
    }
    let length = record.header("CONTENT_LENGTH");
    if !length.is_empty() && length.parse() != Ok(record.body.len()) {
        return Err(format!("{} bytes of {length}", record.body.len()));
    }
    Ok(())
}
