//! A host as a setting names it: a DNS name or an address, without scheme, port, quotes or login.
//!
//! A value that cannot be a host is described and never repeated: it may be a whole URL with its password.

use std::net::Ipv6Addr;

use super::login_signs::holds_a_login;

/// A DNS name's limit (RFC 1035), the final dot aside.
const MAX_LENGTH: usize = 253;

/// Reads a host. White space around it is dropped, and so are the brackets of an IPv6 address.
///
/// # Errors
/// What the value is instead, without any part of it.
pub fn parse(text: &str) -> Result<String, String> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Ok(bare.into());
    }
    let what = if text.is_empty() {
        "it is empty"
    } else if text.contains("://") {
        "it is a URL, not a host"
    } else if text.contains('@') {
        "an @ stands in it; a login does not belong there"
    } else if text.contains(['"', '\'', '`']) {
        "the quotes are part of the value"
    } else if text.contains(',') {
        "it names several hosts"
    } else if is_host_and_port(text) {
        "a port stands behind the host"
    } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        "white space or a control character stands in it"
    } else if holds_a_login(text) {
        "it is in base64: write what it decodes to"
    } else if is_name(text) {
        return Ok(text.into());
    } else {
        "it is no host name and no address"
    };
    Err(what.into())
}

fn is_host_and_port(text: &str) -> bool {
    let port = text.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Docker's and compose's service names may have underscores.
fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= MAX_LENGTH
        && name.split('.').all(|label| !label.is_empty())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read_and_trimmed() {
        for (text, host) in [
            ("pg", "pg"),
            ("pg_1.db.svc.cluster.local.", "pg_1.db.svc.cluster.local."),
            (" pg\r", "pg"),
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "::1"),
            ("[fd00::5]", "fd00::5"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(host), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_described_and_not_repeated() {
        for (text, what) in [
            ("postgres://u:canary@h/db", "URL"),
            ("u:canary@h", "an @"),
            ("\"canary\"", "quotes"),
            ("canary:5432", "port"),
            ("[canary]:5432", "port"),
            ("can ary", "white space"),
            ("canary\u{7}x", "control"),
            ("a,canary", "several"),
            ("cmVkaXM6Ly86Y2FuYXJ5QGhvMDAw", "base64"),
            ("canary:x", "no host name"),
            ("/run/canary", "no host name"),
            ("canary..x", "no host name"),
            ("-canary", "no host name"),
            ("", "empty"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.contains(what) && !error.contains("canary") && !error.contains("cmVk"),
                "{text:?}: {error}"
            );
        }
    }
}
