//! Redis URLs as Frappe and redis-rs both read them, with the password kept out of sight.

use std::fmt;
use url::Url;

/// A Redis server: `redis://`, `rediss://` (TLS) or `unix://`, with user, password and database.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    url: Url,
}

const MEND: &str = "write redis://[user:password@]host:port[/db], rediss://… or unix:///path";

impl RedisUrl {
    /// Reads a URL, or the official images' `host:port`. The port is made explicit, since Frappe
    /// stops on a URL without one (FRAPPE.md, Configuration).
    ///
    /// # Errors
    /// A sentence that never repeats the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let with_scheme = if text.contains("://") { text.to_string() } else { format!("redis://{text}") };
        let mut url = Url::parse(&with_scheme)
            .map_err(|error| format!("not a Redis URL ({error}); percent-encode / # ? in a password"))?;
        match url.scheme() {
            "redis" | "rediss" => {
                if url.host_str().is_none_or(str::is_empty) {
                    return Err("the URL names no host".into());
                }
                if url.port().is_none() {
                    url.set_port(Some(6379)).map_err(|()| "the URL takes no port".to_string())?;
                }
                let database = url.path().trim_matches('/');
                if !database.is_empty() && database.parse::<u16>().is_err() {
                    return Err(format!("`{database}` is not a database number"));
                }
            }
            "unix" => {
                if url.path().len() < 2 {
                    return Err("the URL names no socket".into());
                }
            }
            other => return Err(format!("`{other}` is not a Redis scheme; {MEND}")),
        }
        Ok(Self { url })
    }

    /// The chart's way: host, port and a database number.
    pub fn from_parts(host: &str, port: u16, database: u8) -> Result<Self, String> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
        Self::parse(&format!("redis://{host}:{port}/{database}"))
    }

    /// The whole URL, password included: for config files and for the client, never for a log.
    pub fn reveal(&self) -> &str {
        self.url.as_str()
    }

    /// Host and port for the network, none for a unix socket.
    pub fn address(&self) -> Option<(String, u16)> {
        let host = self.url.host_str()?.trim_matches(['[', ']']);
        (!host.is_empty()).then(|| (host.to_string(), self.url.port().unwrap_or(6379)))
    }

    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "rediss"
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        if shown.password().is_some() {
            let _ = shown.set_password(Some("***"));
        }
        // A query can carry `password=` for a unix socket.
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
    fn accepts_what_people_have_and_makes_the_port_explicit() {
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
        let error = RedisUrl::parse("redis://:ca/nary@h:x").unwrap_err();
        assert!(!error.contains("nary"), "{error}");
    }

    #[test]
    fn refuses_what_is_no_redis() {
        for bad in ["http://h:1", "redis://", "redis://h:1/x", "redis://h:99999", "unix://"] {
            assert!(RedisUrl::parse(bad).is_err(), "{bad} was read");
        }
    }
}
