//! The parameters of a Redis URL. Python reads them as arguments of its connection, where an unknown one is an error;
//! node ignores all of them. So a parameter is rewritten into a part of the URL that all programs read, kept if
//! only Python needs it, or refused:
//!
//! ```text
//!   db, username, password ───▶ path and login of the URL (a unix socket's URL has no place for them: they stay)
//!   ssl_ca_certs ─────────────▶ stays; node gets it as NODE_EXTRA_CA_CERTS
//!   timeouts, keepalive ──────▶ stay
//!   everything else ──────────▶ refused
//! ```

use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Url, form_urlencoded};

/// Parameters that are refused with their names, and how to write what they mean. A name that is not in this list
/// may be a part of a password, and is not shown.
const REFUSED: [(&str, &str); 28] = [
    ("ssl", "write rediss:// instead"),
    ("tls", "write rediss:// instead"),
    ("host", "write the host before the port"),
    ("port", "write the port after the host"),
    ("path", "write unix:///path"),
    ("unix_socket_path", "write unix:///path"),
    ("timeout", "write socket_timeout"),
    ("ssl_certfile", CLIENT_CERTIFICATE),
    ("ssl_keyfile", CLIENT_CERTIFICATE),
    ("ssl_password", CLIENT_CERTIFICATE),
    ("ssl_ca_path", CA_FILE),
    ("ssl_ca_data", CA_FILE),
    ("cert", CLIENT_CERTIFICATE),
    ("key", CLIENT_CERTIFICATE),
    ("ca", CA_FILE),
    ("cafile", CA_FILE),
    ("ssl_min_version", REMOVE),
    ("ssl_ciphers", REMOVE),
    ("ssl_validate_ocsp", REMOVE),
    ("protocol", REMOVE),
    ("client_name", REMOVE),
    ("encoding", REMOVE),
    ("encoding_errors", REMOVE),
    ("charset", REMOVE),
    ("decode_responses", REMOVE),
    ("retry_on_error", REMOVE),
    ("socket_read_size", REMOVE),
    ("socket_type", REMOVE),
];
const REMOVE: &str = "remove it";
const CLIENT_CERTIFICATE: &str =
    "set tls-auth-clients no in Redis and remove it: a client certificate is not supported";
const CA_FILE: &str = "set REDIS_TLS_CA to the file of the CA and remove it";
/// Python takes every other word, `off` too, as true.
const WORDS: [&str; 10] = ["true", "false", "yes", "no", "1", "0", "t", "f", "y", "n"];

/// Rewrites the URL so that Python, node and our client read the same from it.
///
/// # Errors
/// A parameter that they do not all honour. The text contains no value, and no name that is not well known.
pub fn normalize(url: &mut Url) -> Result<(), String> {
    let Some(query) = url.query().map(str::to_string) else { return Ok(()) };
    let is_unix = url.scheme() == "unix";
    let (mut kept, mut seen) = (Vec::new(), Vec::new());
    for (index, part) in query.split('&').enumerate().filter(|(_, part)| !part.is_empty()) {
        let (name, value) = read(part);
        let Some(name) = known(&name) else { return Err(refusal(&name, index)) };
        // Python ignores a parameter without a value.
        if value.is_empty() {
            continue;
        }
        if seen.contains(&name) {
            return Err(format!("it has the parameter {name} twice"));
        }
        seen.push(name);
        check(name, &value, url.scheme())?;
        match name {
            "db" if !is_unix => url.set_path(&format!("/{}", value.trim())),
            "username" | "password" if !is_unix => set_login(url, name, &value)?,
            _ => kept.push(renamed(name, part)),
        }
    }
    let kept = kept.join("&");
    url.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
    Ok(())
}

/// Returns the value of a parameter of a normalized URL, as redis-py reads it.
pub fn value_of(url: &Url, name: &str) -> Option<String> {
    let mut parts = url.query()?.split('&').map(read);
    parts.find(|(known, _)| known == name).map(|(_, value)| value)
}

/// Removes a parameter of a normalized URL.
pub fn remove(url: &mut Url, name: &str) {
    let kept: Vec<&str> =
        url.query().unwrap_or_default().split('&').filter(|part| read(part).0 != name).collect();
    let kept = kept.join("&");
    url.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
}

/// Name and value of a part of the query. redis-py decodes a value twice, as a part of a query and then as a URL.
fn read(part: &str) -> (String, String) {
    let pair = form_urlencoded::parse(part.as_bytes()).next();
    let (name, value) = pair.unwrap_or_default();
    (name.into_owned(), percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

/// redis-py's name of a parameter that may be used. `user` and `pass` are the names of redis-rs.
fn known(name: &str) -> Option<&'static str> {
    Some(match name {
        "db" => "db",
        "username" | "user" => "username",
        "password" | "pass" => "password",
        "socket_timeout" => "socket_timeout",
        "socket_connect_timeout" => "socket_connect_timeout",
        "socket_keepalive" => "socket_keepalive",
        "retry_on_timeout" => "retry_on_timeout",
        "health_check_interval" => "health_check_interval",
        "max_connections" => "max_connections",
        "ssl_ca_certs" => "ssl_ca_certs",
        "ssl_cert_reqs" => "ssl_cert_reqs",
        "ssl_check_hostname" => "ssl_check_hostname",
        _ => return None,
    })
}

fn refusal(name: &str, index: usize) -> String {
    match REFUSED.iter().find(|(refused, _)| *refused == name) {
        Some((name, instead)) => format!("Frappe's programs cannot all use its parameter {name}: {instead}"),
        None => format!(
            "Frappe's programs do not know its parameter number {} (the name is not shown: it may be a part of a \
             password): remove it, or percent-encode & and ? in a password",
            index + 1
        ),
    }
}

/// Checks a value as redis-py reads it.
fn check(name: &'static str, value: &str, scheme: &str) -> Result<(), String> {
    if name.starts_with("ssl_") && scheme != "rediss" {
        return Err(format!("its parameter {name} is for TLS: write rediss://, or remove it"));
    }
    if scheme == "unix" && matches!(name, "socket_connect_timeout" | "socket_keepalive") {
        return Err(format!("its parameter {name} is not for a unix socket: remove it"));
    }
    let (is_valid, form) = match name {
        "db" => (value.trim().parse::<u16>().is_ok(), "write a database number"),
        "socket_timeout" | "socket_connect_timeout" => {
            let seconds = value.trim().parse::<f64>();
            (seconds.is_ok_and(|seconds| seconds.is_finite() && seconds > 0.0), "write seconds")
        }
        "health_check_interval" => (value.trim().parse::<u32>().is_ok(), "write seconds"),
        "max_connections" => (value.trim().parse::<u32>().is_ok_and(|most| most > 0), "write a number"),
        "socket_keepalive" | "retry_on_timeout" => {
            (WORDS.contains(&value.to_ascii_lowercase().as_str()), "write true or false")
        }
        "ssl_ca_certs" => (Path::new(value).is_absolute(), "write an absolute path"),
        "ssl_cert_reqs" if value == "none" => (
            false,
            "node verifies the certificate in any case: set REDIS_TLS_CA to the file of the CA that signed it, \
             and remove the parameter",
        ),
        "ssl_cert_reqs" => (matches!(value, "required" | "optional"), "write required"),
        "ssl_check_hostname" => (
            matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "1" | "t" | "y"),
            "node compares the host with the certificate in any case: use a certificate for the host in the URL, \
             and remove the parameter",
        ),
        _ => (true, ""),
    };
    if is_valid { Ok(()) } else { Err(format!("its parameter {name} cannot be used as it is: {form}")) }
}

/// Writes a user or a password before the host.
fn set_login(url: &mut Url, name: &str, value: &str) -> Result<(), String> {
    let encoded = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    let (is_given, written) = if name == "password" {
        (url.password().is_some(), url.set_password(Some(&encoded)))
    } else {
        (!url.username().is_empty(), url.set_username(&encoded))
    };
    if is_given {
        return Err(format!("it has a {name} before the host and as a parameter: remove the parameter"));
    }
    written.map_err(|()| format!("its parameter {name} needs a host"))
}

/// The part under redis-py's name.
fn renamed(name: &str, part: &str) -> String {
    let (_, value) = part.split_once('=').unwrap_or((part, ""));
    format!("{name}={value}")
}

#[cfg(test)]
mod tests;
