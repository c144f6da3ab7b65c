//! Redis URLs as Frappe and redis-rs both read them, with the password kept out of sight.

use std::fmt;

use url::Url;

use super::host;

/// A Redis server: `redis://`, `rediss://` (TLS) or `unix://`, with user, password and database.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    url: Url,
}

const MEND: &str = "write redis://[user:password@]host:port[/db], rediss://… or unix:///path";

impl RedisUrl {
    /// Reads a URL, or the official images' `host:port`. The port is made explicit, since Frappe
    /// stops on a URL without one (docs/frappe-contract.md#redis-urls).
    ///
    /// # Errors
    /// A sentence that never repeats the text, which may hold a password.
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
                    return Err("what follows the port is not a database number".into());
                }
            }
            "unix" => {
                if url.path().len() < 2 || url.host_str().is_some_and(|host| !host.is_empty()) {
                    return Err("the URL names no socket: three slashes go before its path".into());
                }
            }
            _ => return Err(format!("it has another scheme than Redis's; {MEND}")),
        }
        Ok(Self { url })
    }

    /// The chart's way: host, port and a database number.
    pub fn from_parts(host: &str, port: u16, database: u8) -> Result<Self, String> {
        let host = host::parse(host)?;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
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

    /// Whether both are the same database of the same server, with the same login. Frappe and redis-py
    /// take a URL without a database for database 0.
    pub fn means(&self, other: &Self) -> bool {
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
}

/// An `@` behind the host is one of a password with `/`, `?` or `#` in it: what stands before is not the
/// whole password then, and what follows is not a path.
fn check_characters(url: &str) -> Result<(), String> {
    let quotes = ['"', '\''];
    if url.trim_start_matches("redis://").starts_with(quotes) || url.ends_with(quotes) {
        return Err("the quotes are part of the value".into());
    }
    if url.contains(char::is_control) {
        return Err("a control character stands in it".into());
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (_, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if behind.contains(['@', '#']) {
        return Err("an @ or a # stands behind the host; percent-encode / # ? @ in a password".into());
    }
    Ok(())
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        if shown.password().is_some() {
            let _ = shown.set_password(Some("***"));
        } else if !shown.username().is_empty() {
            // `redis://PASSWORD@host` is a common slip.
            let _ = shown.set_username("***");
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
    fn refuses_what_is_no_redis() {
        for bad in ["http://h:1", "redis://", "redis://h:1/x", "redis://h:99999", "unix://", "'redis:6379'"] {
            assert!(RedisUrl::parse(bad).is_err(), "{bad} was read");
        }
    }
}
