//! Host names as in a Host header: their syntax, and which of them only this machine or network resolves.

use std::net::{IpAddr, Ipv6Addr};

/// True for a name or an address of the client's own machine.
pub(super) fn is_local(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// True for a name that only this machine or this network resolves: a local one, a Service of Kubernetes, or a short
/// name, as compose's services and pods of the same namespace have.
pub fn is_internal(name: &str) -> bool {
    let is_short = !name.is_empty() && !name.contains(['.', ':']);
    is_local(name) || is_short || [".svc", ".svc.cluster.local"].iter().any(|end| name.ends_with(end))
}

/// Returns the host of a URL with its port. host_name may have no scheme.
pub(super) fn authority_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    is_authority(authority).then(|| authority.to_ascii_lowercase())
}

/// True for exactly a name or an address, with or without a port.
pub(super) fn is_authority(host: &str) -> bool {
    let port = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => port,
            _ => return false,
        },
        None => {
            let end = host.find(':').unwrap_or(host.len());
            if !is_name(&host[..end]) {
                return false;
            }
            &host[end..]
        }
    };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    port.is_empty() || port.strip_prefix(':').is_some_and(is_port)
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Returns the bare name or address: `ERP.example.com.:8000` → `erp.example.com`; `[::1]:8000` → `::1`.
pub fn name_of(host: &str) -> String {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
