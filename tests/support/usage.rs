//! What a running web pod occupies: descriptors, memory, and its own gauges.

use std::fs;

use super::binary::Pod;

/// Gauges of what exists only while a client is being served, and their value when none is.
const GAUGES: [(&str, &str); 12] = [
    ("http_connections", "0"),
    ("http_requests_held", "0"),
    ("http_uploads_waiting", "0"),
    ("http_slots_used{kind=\"gunicorn\"}", "0"),
    ("http_slots_used{kind=\"streams\"}", "0"),
    ("http_slots_waiting{kind=\"gunicorn\"}", "0"),
    ("http_slots_waiting{kind=\"streams\"}", "0"),
    ("http_requests_in_flight", "0"),
    ("http_kept_bytes{kind=\"request\",place=\"memory\"}", "0"),
    ("http_kept_bytes{kind=\"request\",place=\"disk\"}", "0"),
    ("http_kept_bytes{kind=\"answer\",place=\"memory\"}", "0"),
    ("http_kept_bytes{kind=\"answer\",place=\"disk\"}", "0"),
];

#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub descriptors: usize,
    pub resident_kb: u64,
    pub highest_resident_kb: u64,
}

impl Usage {
    pub fn of(pod: &Pod) -> Self {
        let folder = format!("/proc/{}", pod.pid());
        let status = fs::read_to_string(format!("{folder}/status")).expect("a status");
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("a field");
            line.split_whitespace().nth(1).expect("a value").parse().expect("a number")
        };
        Self {
            descriptors: fs::read_dir(format!("{folder}/fd")).expect("descriptors").count(),
            resident_kb: field("VmRSS:"),
            highest_resident_kb: field("VmHWM:"),
        }
    }
}

/// The gauges that have another value than at rest.
pub fn occupied(pod: &Pod) -> Vec<String> {
    let metrics = pod.body("/metrics");
    let value = |gauge: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("cauldron_frappe_{gauge} ")));
        line.unwrap_or("absent").trim().to_owned()
    };
    let differs = |(gauge, at_rest): &(&str, &str)| {
        let value = value(gauge);
        (value != *at_rest).then(|| format!("{gauge} is {value}"))
    };
    GAUGES.iter().filter_map(differs).collect()
}
