//! The parts of a Redis URL besides the address: login, database, and Python's TLS parameters.
//!
//! `RedisUrl` has written user, password and database where redis-py and node read them; the URL of a unix socket has
//! them as parameters.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use crate::config::redis_url::RedisUrl;

#[derive(Debug, Default)]
pub struct RedisLogin {
    pub user: Option<String>,
    pub password: Option<SecretString>,
    pub database: u16,
    pub socket: Option<PathBuf>,
    /// `ssl_ca_certs=`, used if REDIS_TLS_CA is not set.
    pub ca: Option<PathBuf>,
}

impl RedisLogin {
    pub fn of(redis: &RedisUrl) -> Self {
        // The URL was validated, so this cannot fail.
        let Ok(url) = Url::parse(redis.reveal()) else { return Self::default() };
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let mut login = Self {
            user: Some(url.username()).filter(|user| !user.is_empty()).map(decode),
            password: url.password().map(|password| decode(password).into()),
            ..Self::default()
        };
        if url.scheme() == "unix" {
            login.socket = Some(decode(url.path()).into());
        } else {
            login.database = url.path().trim_matches('/').parse().unwrap_or(0);
        }
        if let Some(database) = redis.parameter("db") {
            login.database = database.trim().parse().unwrap_or(0);
        }
        login.user = login.user.or_else(|| redis.parameter("username"));
        login.password = login.password.or_else(|| redis.parameter("password").map(SecretString::from));
        login.ca = redis.ca();
        login
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn reads_the_spellings_of_python_node_and_rust() {
        for (url, user, password, database) in [
            ("redis://h:1", None, None, 0),
            ("redis://:p%40%2F@h:1/3", None, Some("p@/"), 3),
            ("redis://u:p@h:1/1?socket_timeout=5", Some("u"), Some("p"), 1),
            ("redis://h:1/1?db=4&username=u&password=p%2525", Some("u"), Some("p%"), 4),
            ("unix:///run/r.sock?db=2&password=p", None, Some("p"), 2),
            ("unix:///run/r.sock?db=2&user=u&pass=p", Some("u"), Some("p"), 2),
        ] {
            let login = RedisLogin::of(&RedisUrl::parse(url).unwrap());
            assert_eq!(login.user.as_deref(), user, "{url}");
            assert_eq!(login.password.as_ref().map(ExposeSecret::expose_secret), password, "{url}");
            assert_eq!(login.database, database, "{url}");
        }
    }

    #[test]
    fn reads_pythons_ca() {
        let url = RedisUrl::parse("rediss://h:1/0?ssl_ca_certs=%2Fca.pem").unwrap();
        assert_eq!(RedisLogin::of(&url).ca, Some("/ca.pem".into()));
    }
}
