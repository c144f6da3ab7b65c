//! Redis URLs as Frappe and redis-rs both read them. The password is never shown.

mod parameters;

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use super::host;

/// A Redis server: `redis://`, `rediss://` (TLS) or `unix://`, with user, password and database.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    url: Url,
}

const HINT: &str = "write redis://[user:password@]host:port[/db], rediss://… or unix:///path";

impl RedisUrl {
    /// Reads a URL, or the official images' `host:port`. The port is made explicit, since Frappe
    /// stops on a URL without one (docs/frappe-contract.md#redis-urls).
    ///
    /// # Errors
    /// Returns a sentence that never repeats the text, since it may contain a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let with_scheme = if text.contains("://") { text.to_string() } else { format!("redis://{text}") };
        check_characters(&with_scheme)?;
        let mut url = Url::parse(&with_scheme)
            .map_err(|error| format!("not a Redis URL ({error}); percent-encode / # ? in a password"))?;
        match url.scheme() {
            "redis" | "rediss" => {
                host::parse(url.host_str().unwrap_or_default())
                    .map_err(|what| format!("its host cannot be used: {what}"))?;
                if url.port().is_none() {
                    url.set_port(Some(6379)).map_err(|()| "the URL takes no port".to_string())?;
                }
                let database = url.path().trim_matches('/');
                if !database.is_empty() && database.parse::<u16>().is_err() {
                    return Err("the part after the port is not a database number".into());
                }
            }
            "unix" => {
                if url.path().len() < 2 || url.host_str().is_some_and(|host| !host.is_empty()) {
                    return Err("the URL names no socket: write three slashes before its path".into());
                }
            }
            _ => return Err(format!("its scheme is not Redis's; {HINT}")),
        }
        parameters::normalize(&mut url)?;
        Ok(Self { url })
    }

    /// Builds a URL from host, port and database number, as the chart gives them.
    pub fn from_parts(host: &str, port: u16, database: u8) -> Result<Self, String> {
        let host = host::parse(host)?;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        Self::parse(&format!("redis://{host}:{port}/{database}"))
    }

    /// Returns the whole URL with its password: for config files and for the client, never for a log.
    pub fn reveal(&self) -> &str {
        self.url.as_str()
    }

    /// Returns host and port. None for a Unix socket.
    pub fn address(&self) -> Option<(String, u16)> {
        let host = self.url.host_str()?.trim_matches(['[', ']']);
        (!host.is_empty()).then(|| (host.to_string(), self.url.port().unwrap_or(6379)))
    }

    /// True if both are the same database of the same server with the same login. To Frappe and redis-py, a URL without
    /// a database means database 0.
    pub fn is_same_database(&self, other: &Self) -> bool {
        let bare = |url: &Self| {
            let mut url = url.url.clone();
            if url.scheme() != "unix" && url.path().trim_matches('/').is_empty() {
                url.set_path("/0");
            }
            url
        };
        bare(self) == bare(other)
    }

    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "rediss"
    }

    /// Returns a parameter (`db`, `username`, `password` of a unix socket's URL), decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        parameters::value_of(&self.url, name)
    }

    /// Returns the CA file in the URL.
    pub fn ca(&self) -> Option<PathBuf> {
        self.parameter("ssl_ca_certs").map(PathBuf::from)
    }

    /// Returns the URL with this CA file, which Python reads there. A CA without TLS is left out.
    #[must_use]
    pub fn with_ca(mut self, ca: &Path) -> Self {
        if self.is_tls() && self.ca().as_deref() != Some(ca) {
            parameters::remove(&mut self.url, "ssl_ca_certs");
            self.url.query_pairs_mut().append_pair("ssl_ca_certs", &ca.to_string_lossy().replace('%', "%25"));
        }
        self
    }
}

/// Refuses a URL with an `@` or `#` after the host. Such a URL has a password that contains `/`, `?` or `#`, so the
/// text before them is not the whole password and the text after them is not a path.
fn check_characters(url: &str) -> Result<(), String> {
    let quotes = ['"', '\''];
    if url.trim_start_matches("redis://").starts_with(quotes) || url.ends_with(quotes) {
        return Err("the quotes are part of the value".into());
    }
    if url.contains(char::is_control) {
        return Err("it contains a control character".into());
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (_, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if behind.contains(['@', '#']) {
        return Err("it has an @ or a # after the host; percent-encode / # ? @ in a password".into());
    }
    Ok(())
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        if shown.password().is_some() {
            let _ = shown.set_password(Some("***"));
        } else if !shown.username().is_empty() {
            // `redis://PASSWORD@host` is a common mistake.
            let _ = shown.set_username("***");
        }
        // The query of a Unix socket's URL may contain `password=`.
        if shown.query().is_some() {
            shown.set_query(None);
        }
        write!(f, "{shown}")
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_common_spellings_and_makes_the_port_explicit() {
        for (text, revealed) in [
            ("redis-cache:6379", "redis://redis-cache:6379"),
            ("redis://cache", "redis://cache:6379"),
            ("redis://u:p%40@cache:1/3", "redis://u:p%40@cache:1/3"),
            ("rediss://cache:6380", "rediss://cache:6380"),
            ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ] {
            assert_eq!(RedisUrl::parse(text).unwrap().reveal(), revealed);
        }
    }

    #[test]
    fn never_shows_a_password() {
        for text in ["redis://:canary@h:1/2", "redis://u:canary@h", "unix:///s?password=canary"] {
            let shown = format!("{0} {0:?}", RedisUrl::parse(text).unwrap());
            assert!(!shown.contains("canary"), "{shown}");
        }
        assert_eq!(RedisUrl::parse("redis://canary@h").unwrap().to_string(), "redis://***@h:6379");
        for text in [
            "redis://:ca/canary@h:x",
            "redis://:ab@cd/canary@h:6379/0",
            "redis://:12?canary@h",
            "redis://u:12#canary@h",
            "canary://h",
            "redis://h:1/canary",
            "\"redis://:canary@h\"",
            "redis://can%40ary:canary@h%40canary",
            "unix://canary/x",
        ] {
            let error = RedisUrl::parse(text).unwrap_err();
            assert!(!error.contains("canary"), "{text}: {error}");
        }
    }

    #[test]
    fn refuses_other_urls() {
        for bad in ["http://h:1", "redis://", "redis://h:1/x", "redis://h:99999", "unix://", "'redis:6379'"] {
            assert!(RedisUrl::parse(bad).is_err(), "{bad} was read");
        }
    }
}
