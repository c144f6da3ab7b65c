//! Compares two outcomes of the same request.

use std::collections::BTreeSet;

use super::stage::Outcome;
use crate::support::recorder::Recorded;

/// What differs, in one short line each: `status 400, nginx 200`.
pub fn differences(ours: &Outcome, nginx: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if ours.statuses != nginx.statuses {
        found.push(format!("status {}, nginx {}", list(&ours.statuses), list(&nginx.statuses)));
    } else if ours.received.len() != nginx.received.len() {
        found.push(format!("{} requests, nginx {}", ours.received.len(), nginx.received.len()));
    } else if let (Some(our_body), Some(body)) = (plain_body(&ours.answer), plain_body(&nginx.answer))
        && is_success(ours)
        && our_body != body
    {
        found.push("response body".to_owned());
    }
    let mut parts = BTreeSet::new();
    for (ours, nginx) in ours.received.iter().zip(&nginx.received) {
        parts.extend(different_parts(ours, nginx));
    }
    found.extend(parts);
    found
}

fn list(statuses: &[u16]) -> String {
    let texts: Vec<String> = statuses.iter().map(u16::to_string).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(" ") }
}

fn is_success(outcome: &Outcome) -> bool {
    matches!(outcome.statuses[..], [200 | 206])
}

/// The body of a single response; None if it is compressed or sent in chunks.
fn plain_body(answer: &[u8]) -> Option<&[u8]> {
    let at = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..at]).to_ascii_lowercase();
    let is_coded = head.contains("\r\ncontent-encoding:") || head.contains("\r\ntransfer-encoding:");
    (!is_coded).then_some(&answer[at + 4..])
}

fn different_parts(ours: &Recorded, nginx: &Recorded) -> Vec<String> {
    let mut parts = Vec::new();
    for (part, is_same) in [
        ("method", ours.method == nginx.method),
        ("target", ours.target == nginx.target),
        ("body", ours.body == nginx.body),
    ] {
        if !is_same {
            parts.push(part.to_owned());
        }
    }
    let names: BTreeSet<&String> = ours.headers.keys().chain(nginx.headers.keys()).collect();
    let differing = names.into_iter().filter(|name| ours.headers.get(*name) != nginx.headers.get(*name));
    parts.extend(
        differing.map(|name| format!("header {}", name.trim_start_matches("HTTP_").replace('_', "-"))),
    );
    parts
}
