//! A host in a setting: a DNS name or an address, without scheme, port, quotes or login.
//!
//! A message describes an invalid value and never repeats it: it may be a whole URL with its password.

use std::net::Ipv6Addr;

use super::login_signs::may_contain_login;

/// The maximum length of a DNS name (RFC 1035), without the final dot.
const MAX_LENGTH: usize = 253;

/// Reads a host. White space around it and the brackets of an IPv6 address are removed.
///
/// # Errors
/// Describes the value without repeating any part of it.
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
    } else if text.starts_with('/') && !text.contains('@') {
        "it is a path, not a host"
    } else if text.contains('@') {
        "it contains an @; a login does not belong there"
    } else if text.contains(['"', '\'', '`']) {
        "the quotes are part of the value"
    } else if text.contains(',') {
        "it names several hosts"
    } else if is_host_and_port(text) {
        "it has a port after the host"
    } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        "it contains white space or a control character"
    } else if may_contain_login(text) {
        "it is base64: write the decoded value"
    } else if is_name(text) {
        return Ok(text.into());
    } else {
        "it is neither a host name nor an address"
    };
    Err(what.into())
}

fn is_host_and_port(text: &str) -> bool {
    let port = text.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// True for a DNS name. Underscores are valid: service names of Docker and compose contain them.
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
    fn other_values_are_described_and_not_repeated() {
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
            ("cmVkaXM6Ly91OmNhbmFyeTAw", "base64"),
            ("canary:x", "neither a host name"),
            ("/run/canary", "a path"),
            ("canary..x", "neither a host name"),
            ("-canary", "neither a host name"),
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
